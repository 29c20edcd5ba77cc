/*
 * Ports and device registers, read and written with each width, one by one and in buffers. The port is the page store's slot register (hal/bus/pagestore.ts), which
 * keeps what is written; the registers are those of a page that is mapped without caching, and the local APIC's.
 */
#include <ntddk.h>
#include "../ktest.h"

#define SLOT 0x628

static volatile UCHAR *Registers;

/* As the WDK has them: from the registers to the buffer. (mingw's copy the other way.) */
#define READ_REGISTER_BUFFER_UCHAR(Register, Buffer, Count) __movsb(Buffer, (const UCHAR *)(Register), Count)
#define READ_REGISTER_BUFFER_USHORT(Register, Buffer, Count) __movsw(Buffer, (const USHORT *)(Register), Count)
#define READ_REGISTER_BUFFER_ULONG(Register, Buffer, Count) __movsd(Buffer, (const ULONG *)(Register), Count)

/* The HAL also exports the port routines, for callers that do not have them inline. */
static PVOID HalRoutine(PCWSTR Name)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, Name);
    return MmGetSystemRoutineAddress(&name);
}

static VOID Port_UCHAR(VOID)
{
    PUCHAR port = (PUCHAR)(ULONG_PTR)SLOT;
    UCHAR out[4] = {1, 2, 3, (UCHAR)0x5A}, in[4] = {0};
    KIRQL irql;
    WRITE_PORT_UCHAR(port, (UCHAR)0x5A);
    OUTCOME(WRITE_PORT_UCHAR, "writes the value to the port", READ_PORT_UCHAR(port) == (UCHAR)0x5A);
    WRITE_PORT_UCHAR(port, 7);
    OUTCOME(READ_PORT_UCHAR, "reads the value of the port", READ_PORT_UCHAR(port) == 7);
    WRITE_PORT_BUFFER_UCHAR(port, out, 4);
    OUTCOME(WRITE_PORT_BUFFER_UCHAR, "writes the elements one after the other to the one port", READ_PORT_UCHAR(port) == (UCHAR)0x5A);
    WRITE_PORT_BUFFER_UCHAR(port, out, 0);
    OUTCOME(WRITE_PORT_BUFFER_UCHAR, "writes nothing for count 0", READ_PORT_UCHAR(port) == (UCHAR)0x5A);
    READ_PORT_BUFFER_UCHAR(port, in, 3);
    OUTCOME(READ_PORT_BUFFER_UCHAR, "reads the one port for each element", in[0] == (UCHAR)0x5A && in[1] == in[0] && in[2] == in[0] && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_PORT_UCHAR(port, 9);
    in[0] = READ_PORT_UCHAR(port);
    KeLowerIrql(irql);
    OUTCOME(READ_PORT_UCHAR, "at any IRQL", in[0] == 9);
}

static VOID PortRoutines_UCHAR(VOID)
{
    PUCHAR port = (PUCHAR)(ULONG_PTR)SLOT;
    UCHAR out[2] = {5, (UCHAR)0x5A}, in[2] = {0};
    UCHAR (NTAPI *read)(PUCHAR) = HalRoutine(L"READ_PORT_UCHAR");
    VOID (NTAPI *write)(PUCHAR, UCHAR) = HalRoutine(L"WRITE_PORT_UCHAR");
    VOID (NTAPI *readBuffer)(PUCHAR, PUCHAR, ULONG) = HalRoutine(L"READ_PORT_BUFFER_UCHAR");
    VOID (NTAPI *writeBuffer)(PUCHAR, PUCHAR, ULONG) = HalRoutine(L"WRITE_PORT_BUFFER_UCHAR");
    write(port, (UCHAR)0x5A);
    OUTCOME(WRITE_PORT_UCHAR, "as a routine of the HAL", READ_PORT_UCHAR(port) == (UCHAR)0x5A);
    OUTCOME(READ_PORT_UCHAR, "as a routine of the HAL", read(port) == (UCHAR)0x5A);
    write(port, 0);
    writeBuffer(port, out, 2);
    OUTCOME(WRITE_PORT_BUFFER_UCHAR, "as a routine of the HAL", read(port) == (UCHAR)0x5A);
    readBuffer(port, in, 2);
    OUTCOME(READ_PORT_BUFFER_UCHAR, "as a routine of the HAL", in[0] == (UCHAR)0x5A && in[1] == in[0]);
}

static VOID Register_UCHAR(VOID)
{
    PUCHAR r = (PUCHAR)Registers;
    UCHAR out[4] = {1, 2, 3, (UCHAR)0x5A}, in[4] = {0};
    KIRQL irql;
    WRITE_REGISTER_UCHAR(r, (UCHAR)0x5A);
    OUTCOME(WRITE_REGISTER_UCHAR, "writes the value to the register", *(volatile UCHAR *)r == (UCHAR)0x5A);
    OUTCOME(READ_REGISTER_UCHAR, "reads the value of the register", READ_REGISTER_UCHAR(r) == (UCHAR)0x5A);
    WRITE_REGISTER_BUFFER_UCHAR(r + 4, out, 4);
    OUTCOME(WRITE_REGISTER_BUFFER_UCHAR, "writes the elements to consecutive registers", READ_REGISTER_UCHAR(r + 4) == 1 && READ_REGISTER_UCHAR(r + 7) == (UCHAR)0x5A && READ_REGISTER_UCHAR(r + 8) == 0);
    READ_REGISTER_BUFFER_UCHAR(r + 5, in, 3);
    OUTCOME(READ_REGISTER_BUFFER_UCHAR, "reads consecutive registers", in[0] == 2 && in[1] == 3 && in[2] == (UCHAR)0x5A && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_REGISTER_UCHAR(r, 6);
    in[0] = READ_REGISTER_UCHAR(r);
    KeLowerIrql(irql);
    OUTCOME(READ_REGISTER_UCHAR, "at any IRQL", in[0] == 6);
    WRITE_REGISTER_UCHAR(r, 0);
    WRITE_REGISTER_UCHAR(r + 4, 0);
    WRITE_REGISTER_UCHAR(r + 5, 0);
    WRITE_REGISTER_UCHAR(r + 6, 0);
    WRITE_REGISTER_UCHAR(r + 7, 0);
}

static VOID Port_USHORT(VOID)
{
    PUSHORT port = (PUSHORT)(ULONG_PTR)SLOT;
    USHORT out[4] = {1, 2, 3, (USHORT)0x5AA5}, in[4] = {0};
    KIRQL irql;
    WRITE_PORT_USHORT(port, (USHORT)0x5AA5);
    OUTCOME(WRITE_PORT_USHORT, "writes the value to the port", READ_PORT_USHORT(port) == (USHORT)0x5AA5);
    WRITE_PORT_USHORT(port, 7);
    OUTCOME(READ_PORT_USHORT, "reads the value of the port", READ_PORT_USHORT(port) == 7);
    WRITE_PORT_BUFFER_USHORT(port, out, 4);
    OUTCOME(WRITE_PORT_BUFFER_USHORT, "writes the elements one after the other to the one port", READ_PORT_USHORT(port) == (USHORT)0x5AA5);
    WRITE_PORT_BUFFER_USHORT(port, out, 0);
    OUTCOME(WRITE_PORT_BUFFER_USHORT, "writes nothing for count 0", READ_PORT_USHORT(port) == (USHORT)0x5AA5);
    READ_PORT_BUFFER_USHORT(port, in, 3);
    OUTCOME(READ_PORT_BUFFER_USHORT, "reads the one port for each element", in[0] == (USHORT)0x5AA5 && in[1] == in[0] && in[2] == in[0] && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_PORT_USHORT(port, 9);
    in[0] = READ_PORT_USHORT(port);
    KeLowerIrql(irql);
    OUTCOME(READ_PORT_USHORT, "at any IRQL", in[0] == 9);
}

static VOID PortRoutines_USHORT(VOID)
{
    PUSHORT port = (PUSHORT)(ULONG_PTR)SLOT;
    USHORT out[2] = {5, (USHORT)0x5AA5}, in[2] = {0};
    USHORT (NTAPI *read)(PUSHORT) = HalRoutine(L"READ_PORT_USHORT");
    VOID (NTAPI *write)(PUSHORT, USHORT) = HalRoutine(L"WRITE_PORT_USHORT");
    VOID (NTAPI *readBuffer)(PUSHORT, PUSHORT, ULONG) = HalRoutine(L"READ_PORT_BUFFER_USHORT");
    VOID (NTAPI *writeBuffer)(PUSHORT, PUSHORT, ULONG) = HalRoutine(L"WRITE_PORT_BUFFER_USHORT");
    write(port, (USHORT)0x5AA5);
    OUTCOME(WRITE_PORT_USHORT, "as a routine of the HAL", READ_PORT_USHORT(port) == (USHORT)0x5AA5);
    OUTCOME(READ_PORT_USHORT, "as a routine of the HAL", read(port) == (USHORT)0x5AA5);
    write(port, 0);
    writeBuffer(port, out, 2);
    OUTCOME(WRITE_PORT_BUFFER_USHORT, "as a routine of the HAL", read(port) == (USHORT)0x5AA5);
    readBuffer(port, in, 2);
    OUTCOME(READ_PORT_BUFFER_USHORT, "as a routine of the HAL", in[0] == (USHORT)0x5AA5 && in[1] == in[0]);
}

static VOID Register_USHORT(VOID)
{
    PUSHORT r = (PUSHORT)Registers;
    USHORT out[4] = {1, 2, 3, (USHORT)0x5AA5}, in[4] = {0};
    KIRQL irql;
    WRITE_REGISTER_USHORT(r, (USHORT)0x5AA5);
    OUTCOME(WRITE_REGISTER_USHORT, "writes the value to the register", *(volatile USHORT *)r == (USHORT)0x5AA5);
    OUTCOME(READ_REGISTER_USHORT, "reads the value of the register", READ_REGISTER_USHORT(r) == (USHORT)0x5AA5);
    WRITE_REGISTER_BUFFER_USHORT(r + 4, out, 4);
    OUTCOME(WRITE_REGISTER_BUFFER_USHORT, "writes the elements to consecutive registers", READ_REGISTER_USHORT(r + 4) == 1 && READ_REGISTER_USHORT(r + 7) == (USHORT)0x5AA5 && READ_REGISTER_USHORT(r + 8) == 0);
    READ_REGISTER_BUFFER_USHORT(r + 5, in, 3);
    OUTCOME(READ_REGISTER_BUFFER_USHORT, "reads consecutive registers", in[0] == 2 && in[1] == 3 && in[2] == (USHORT)0x5AA5 && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_REGISTER_USHORT(r, 6);
    in[0] = READ_REGISTER_USHORT(r);
    KeLowerIrql(irql);
    OUTCOME(READ_REGISTER_USHORT, "at any IRQL", in[0] == 6);
    WRITE_REGISTER_USHORT(r, 0);
    WRITE_REGISTER_USHORT(r + 4, 0);
    WRITE_REGISTER_USHORT(r + 5, 0);
    WRITE_REGISTER_USHORT(r + 6, 0);
    WRITE_REGISTER_USHORT(r + 7, 0);
}

static VOID Port_ULONG(VOID)
{
    PULONG port = (PULONG)(ULONG_PTR)SLOT;
    ULONG out[4] = {1, 2, 3, (ULONG)0x5AA51234}, in[4] = {0};
    KIRQL irql;
    WRITE_PORT_ULONG(port, (ULONG)0x5AA51234);
    OUTCOME(WRITE_PORT_ULONG, "writes the value to the port", READ_PORT_ULONG(port) == (ULONG)0x5AA51234);
    WRITE_PORT_ULONG(port, 7);
    OUTCOME(READ_PORT_ULONG, "reads the value of the port", READ_PORT_ULONG(port) == 7);
    WRITE_PORT_BUFFER_ULONG(port, out, 4);
    OUTCOME(WRITE_PORT_BUFFER_ULONG, "writes the elements one after the other to the one port", READ_PORT_ULONG(port) == (ULONG)0x5AA51234);
    WRITE_PORT_BUFFER_ULONG(port, out, 0);
    OUTCOME(WRITE_PORT_BUFFER_ULONG, "writes nothing for count 0", READ_PORT_ULONG(port) == (ULONG)0x5AA51234);
    READ_PORT_BUFFER_ULONG(port, in, 3);
    OUTCOME(READ_PORT_BUFFER_ULONG, "reads the one port for each element", in[0] == (ULONG)0x5AA51234 && in[1] == in[0] && in[2] == in[0] && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_PORT_ULONG(port, 9);
    in[0] = READ_PORT_ULONG(port);
    KeLowerIrql(irql);
    OUTCOME(READ_PORT_ULONG, "at any IRQL", in[0] == 9);
}

static VOID PortRoutines_ULONG(VOID)
{
    PULONG port = (PULONG)(ULONG_PTR)SLOT;
    ULONG out[2] = {5, (ULONG)0x5AA51234}, in[2] = {0};
    ULONG (NTAPI *read)(PULONG) = HalRoutine(L"READ_PORT_ULONG");
    VOID (NTAPI *write)(PULONG, ULONG) = HalRoutine(L"WRITE_PORT_ULONG");
    VOID (NTAPI *readBuffer)(PULONG, PULONG, ULONG) = HalRoutine(L"READ_PORT_BUFFER_ULONG");
    VOID (NTAPI *writeBuffer)(PULONG, PULONG, ULONG) = HalRoutine(L"WRITE_PORT_BUFFER_ULONG");
    write(port, (ULONG)0x5AA51234);
    OUTCOME(WRITE_PORT_ULONG, "as a routine of the HAL", READ_PORT_ULONG(port) == (ULONG)0x5AA51234);
    OUTCOME(READ_PORT_ULONG, "as a routine of the HAL", read(port) == (ULONG)0x5AA51234);
    write(port, 0);
    writeBuffer(port, out, 2);
    OUTCOME(WRITE_PORT_BUFFER_ULONG, "as a routine of the HAL", read(port) == (ULONG)0x5AA51234);
    readBuffer(port, in, 2);
    OUTCOME(READ_PORT_BUFFER_ULONG, "as a routine of the HAL", in[0] == (ULONG)0x5AA51234 && in[1] == in[0]);
}

static VOID Register_ULONG(VOID)
{
    PULONG r = (PULONG)Registers;
    ULONG out[4] = {1, 2, 3, (ULONG)0x5AA51234}, in[4] = {0};
    KIRQL irql;
    WRITE_REGISTER_ULONG(r, (ULONG)0x5AA51234);
    OUTCOME(WRITE_REGISTER_ULONG, "writes the value to the register", *(volatile ULONG *)r == (ULONG)0x5AA51234);
    OUTCOME(READ_REGISTER_ULONG, "reads the value of the register", READ_REGISTER_ULONG(r) == (ULONG)0x5AA51234);
    WRITE_REGISTER_BUFFER_ULONG(r + 4, out, 4);
    OUTCOME(WRITE_REGISTER_BUFFER_ULONG, "writes the elements to consecutive registers", READ_REGISTER_ULONG(r + 4) == 1 && READ_REGISTER_ULONG(r + 7) == (ULONG)0x5AA51234 && READ_REGISTER_ULONG(r + 8) == 0);
    READ_REGISTER_BUFFER_ULONG(r + 5, in, 3);
    OUTCOME(READ_REGISTER_BUFFER_ULONG, "reads consecutive registers", in[0] == 2 && in[1] == 3 && in[2] == (ULONG)0x5AA51234 && in[3] == 0);
    KeRaiseIrql(HIGH_LEVEL, &irql);
    WRITE_REGISTER_ULONG(r, 6);
    in[0] = READ_REGISTER_ULONG(r);
    KeLowerIrql(irql);
    OUTCOME(READ_REGISTER_ULONG, "at any IRQL", in[0] == 6);
    WRITE_REGISTER_ULONG(r, 0);
    WRITE_REGISTER_ULONG(r + 4, 0);
    WRITE_REGISTER_ULONG(r + 5, 0);
    WRITE_REGISTER_ULONG(r + 6, 0);
    WRITE_REGISTER_ULONG(r + 7, 0);
}

/* A register of a device: the local APIC's version tells that it is one, and its task priority is the IRQL. */
static VOID DeviceRegister(VOID)
{
    PHYSICAL_ADDRESS address;
    PUCHAR apic;
    KIRQL irql;
    address.QuadPart = 0xFEE00000;
    apic = MmMapIoSpace(address, PAGE_SIZE, MmNonCached);
    OUTCOME(READ_REGISTER_ULONG, "reads a device's register", apic && (READ_REGISTER_ULONG((PULONG)(apic + 0x30)) & 0xF0) == 0x10);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    OUTCOME(READ_REGISTER_ULONG, "each read reaches the device", READ_REGISTER_ULONG((PULONG)(apic + 0x80)) == 0x20);
    KeLowerIrql(irql);
    MmUnmapIoSpace(apic, PAGE_SIZE);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    PVOID page;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    KtestBegin("deviceaccess");
    page = MmAllocateNonCachedMemory(PAGE_SIZE);
    CHECK(page != NULL);
    RtlZeroMemory(page, PAGE_SIZE);
    Registers = page;
    Port_UCHAR();
    PortRoutines_UCHAR();
    Register_UCHAR();
    Port_USHORT();
    PortRoutines_USHORT();
    Register_USHORT();
    Port_ULONG();
    PortRoutines_ULONG();
    Register_ULONG();
    DeviceRegister();
    MmFreeNonCachedMemory(page, PAGE_SIZE);
    KtestDone();
    return STATUS_SUCCESS;
}
