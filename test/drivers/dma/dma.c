/*
 * Bus-master DMA on the edu device: common buffers, packets through map registers, scatter/gather lists. Three adapters for the same device show what the HAL does for whom:
 *   sg      gathers, and reaches all memory: its lists name the pages of the buffer themselves
 *   packet  does not gather: a buffer in pieces goes through map registers, as one piece
 *   narrow  drives 24 address lines: what lies above 16 MiB goes through map registers
 */
#include <ntddk.h>
#include "../ktest.h"
#include "../hardware.h"

static HARDWARE *Hw;

typedef struct
{
    DEVICE_DESCRIPTION V2;
    ULONG DmaAddressWidth, DmaControllerInstance, DmaRequestLine;
    LARGE_INTEGER DeviceAddress;
} DESCRIPTION3;

static PDMA_ADAPTER Adapter(ULONG Version, BOOLEAN ScatterGather, ULONG Width, ULONG MaximumLength, PULONG Registers)
{
    DESCRIPTION3 d;
    RtlZeroMemory(&d, sizeof d);
    d.V2.Version = Version;
    d.V2.Master = TRUE;
    d.V2.ScatterGather = ScatterGather;
    d.V2.Dma32BitAddresses = TRUE;
    d.V2.InterfaceType = PCIBus;
    d.V2.MaximumLength = MaximumLength;
    d.DmaAddressWidth = Width;
    return IoGetDmaAdapter(Hw->Pdo, &d.V2, Registers);
}

/* One transfer of the device, waited for: between its buffer and the logical address. */
static VOID Transfer(ULONG At, PHYSICAL_ADDRESS Logical, ULONG Length, BOOLEAN ToRam)
{
    ULONGLONG device = EDU_BUFFER + At;
    *(volatile ULONGLONG *)(Hw->Registers + EDU_DMA_SOURCE) = ToRam ? device : (ULONGLONG)Logical.QuadPart;
    *(volatile ULONGLONG *)(Hw->Registers + EDU_DMA_DEST) = ToRam ? (ULONGLONG)Logical.QuadPart : device;
    *(volatile ULONGLONG *)(Hw->Registers + EDU_DMA_COUNT) = Length;
    *(volatile ULONGLONG *)(Hw->Registers + EDU_DMA_COMMAND) = EDU_DMA_START | (ToRam ? EDU_DMA_TO_RAM : 0);
    while (EduRead(Hw, EDU_DMA_COMMAND) & EDU_DMA_START)
        KeStallExecutionProcessor(1);
}

static VOID Fill(PUCHAR p, ULONG length, UCHAR seed)
{
    ULONG i;
    for (i = 0; i < length; i++)
        p[i] = (UCHAR)(seed + i * 7);
}
static BOOLEAN Holds(PUCHAR p, ULONG length, UCHAR seed)
{
    ULONG i;
    for (i = 0; i < length; i++)
        if (p[i] != (UCHAR)(seed + i * 7))
            return FALSE;
    return TRUE;
}

/* ---- adapters and common buffers ---- */

static VOID Adapters(VOID)
{
    ULONG registers = 0;
    PHYSICAL_ADDRESS logical;
    DEVICE_DESCRIPTION slave;
    PUCHAR common;
    PDMA_ADAPTER a = Adapter(DEVICE_DESCRIPTION_VERSION1, FALSE, 0, 8192, &registers);
    OUTCOME(IoGetDmaAdapter, "an adapter and the number of map registers for MaximumLength", a && registers >= 3);
    OUTCOME(IoGetDmaAdapter, "version 1: the operations up to PutScatterGatherList", a->Version == 1 && a->DmaOperations->Size == FIELD_OFFSET(DMA_OPERATIONS, CalculateScatterGatherList));
    OUTCOME(GetDmaAlignment, "the alignment of DMA buffers: none", a->DmaOperations->GetDmaAlignment(a) == 1);

    common = a->DmaOperations->AllocateCommonBuffer(a, 4096, &logical, TRUE);
    OUTCOME(AllocateCommonBuffer, "memory for processor and device, and its logical address", common && logical.QuadPart && logical.QuadPart == MmGetPhysicalAddress(common).QuadPart);
    Fill(common, 4096, 1);
    Transfer(0, logical, 4096, FALSE);
    RtlZeroMemory(common, 4096);
    Transfer(0, logical, 4096, TRUE);
    OUTCOME(AllocateCommonBuffer, "the device reads and writes it", Holds(common, 4096, 1));
    OUTCOME(AllocateCommonBuffer, "NULL when there is no memory", a->DmaOperations->AllocateCommonBuffer(a, 0xf0000000, &logical, TRUE) == NULL);
    logical = MmGetPhysicalAddress(common);
    a->DmaOperations->FreeCommonBuffer(a, 4096, logical, common, TRUE);
    OUTCOME(FreeCommonBuffer, "the memory is not mapped any more", !MmIsAddressValid(common));
    OUTCOME(ReadDmaCounter, "0 for a bus master, which has no transfer in a system DMA controller", a->DmaOperations->ReadDmaCounter(a) == 0);
    a->DmaOperations->PutDmaAdapter(a);
    OUTCOME(PutDmaAdapter, "the device can have another adapter", (a = Adapter(DEVICE_DESCRIPTION_VERSION2, TRUE, 0, 4096, &registers)) != NULL);
    OUTCOME(IoGetDmaAdapter, "version 2: the operations up to BuildMdlFromScatterGatherList", a->DmaOperations->Size == sizeof(DMA_OPERATIONS));
    a->DmaOperations->PutDmaAdapter(a);
    a = Adapter(3, TRUE, 28, 4096, &registers);
    OUTCOME(IoGetDmaAdapter, "version 3: more operations", a && a->DmaOperations->Size > sizeof(DMA_OPERATIONS));
    a->DmaOperations->PutDmaAdapter(a);
    OUTCOME(IoGetDmaAdapter, "NULL for a version that is not supported", Adapter(9, TRUE, 0, 4096, &registers) == NULL);
    RtlZeroMemory(&slave, sizeof slave);
    slave.Version = DEVICE_DESCRIPTION_VERSION1;
    slave.MaximumLength = 4096;
    OUTCOME(IoGetDmaAdapter, "NULL for a slave device on a machine without a system DMA controller", IoGetDmaAdapter(Hw->Pdo, &slave, &registers) == NULL);
}

/* ---- packets ---- */

static struct
{
    ULONG Calls;
    PVOID Registers[4];
    IO_ALLOCATION_ACTION Action;
    PVOID Context;
    PDEVICE_OBJECT Device;
    KIRQL Irql;
} C;

static IO_ALLOCATION_ACTION NTAPI Control(PDEVICE_OBJECT DeviceObject, PIRP Irp, PVOID MapRegisterBase, PVOID Context)
{
    if (C.Calls < 4)
        C.Registers[C.Calls] = MapRegisterBase;
    C.Calls++;
    C.Context = Context;
    C.Device = DeviceObject;
    C.Irql = KeGetCurrentIrql();
    return C.Action;
}

/* Two pieces of memory that do not follow each other, as one MDL chain of 2 * `piece` bytes from the middle of a page. */
typedef struct
{
    PUCHAR Va[2];
    PMDL Mdl;
    ULONG Piece;
} CHAIN;

static BOOLEAN MakeChain(CHAIN *c, ULONG piece, ULONGLONG lowest)
{
    PHYSICAL_ADDRESS low, high, none;
    ULONG i;
    low.QuadPart = lowest;
    high.QuadPart = -1;
    none.QuadPart = 0;
    for (i = 0; i < 2; i++)
        c->Va[i] = MmAllocateContiguousMemorySpecifyCache(piece + 3 * PAGE_SIZE, low, high, none, MmCached);
    if (!c->Va[0] || !c->Va[1])
        return FALSE;
    c->Mdl = IoAllocateMdl(c->Va[0] + 100, piece, FALSE, FALSE, NULL);
    c->Mdl->Next = IoAllocateMdl(c->Va[1] + PAGE_SIZE, piece, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(c->Mdl);
    MmBuildMdlForNonPagedPool(c->Mdl->Next);
    c->Piece = piece;
    return TRUE;
}
static VOID FreeChain(CHAIN *c)
{
    IoFreeMdl(c->Mdl->Next);
    IoFreeMdl(c->Mdl);
    MmFreeContiguousMemory(c->Va[0]);
    MmFreeContiguousMemory(c->Va[1]);
}
static VOID FillChain(CHAIN *c, UCHAR seed)
{
    Fill(c->Va[0] + 100, c->Piece, seed);
    Fill(c->Va[1] + PAGE_SIZE, c->Piece, (UCHAR)(seed + c->Piece * 7));
}
static BOOLEAN ChainHolds(CHAIN *c, UCHAR seed)
{
    return Holds(c->Va[0] + 100, c->Piece, seed) && Holds(c->Va[1] + PAGE_SIZE, c->Piece, (UCHAR)(seed + c->Piece * 7));
}
static VOID ClearChain(CHAIN *c)
{
    RtlZeroMemory(c->Va[0] + 100, c->Piece);
    RtlZeroMemory(c->Va[1] + PAGE_SIZE, c->Piece);
}

/* Moves a whole chain through MapTransfer, as often as it takes; how many pieces there were. */
static ULONG MoveChain(PDMA_ADAPTER a, PVOID registers, CHAIN *c, BOOLEAN toDevice, PBOOLEAN flushed)
{
    ULONG done = 0, pieces = 0, total = 2 * c->Piece;
    PUCHAR va = MmGetMdlVirtualAddress(c->Mdl);
    while (done < total)
    {
        ULONG length = total - done;
        PHYSICAL_ADDRESS logical = a->DmaOperations->MapTransfer(a, c->Mdl, registers, va + done, &length, toDevice);
        if (length == 0)
            return 0;
        Transfer(done, logical, length, !toDevice);
        done += length;
        pieces++;
    }
    *flushed = a->DmaOperations->FlushAdapterBuffers(a, c->Mdl, registers, va, total, toDevice);
    return pieces;
}

static VOID Packets(BOOLEAN ScatterGather, ULONG Width, ULONGLONG Lowest)
{
    ULONG registers, out, in;
    BOOLEAN flushedOut = FALSE, flushedIn = FALSE, right;
    CHAIN c;
    KIRQL irql;
    PDMA_ADAPTER a = Adapter(Width ? 3 : DEVICE_DESCRIPTION_VERSION2, ScatterGather, Width, 16384, &registers);
    CHECK(MakeChain(&c, 1800, Lowest));
    C.Calls = 0;
    C.Action = DeallocateObjectKeepRegisters;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    CHECK(a->DmaOperations->AllocateAdapterChannel(a, Hw->Self, 4, Control, &c) == STATUS_SUCCESS && C.Calls == 1);
    FillChain(&c, 9);
    out = MoveChain(a, C.Registers[0], &c, TRUE, &flushedOut);
    ClearChain(&c);
    in = MoveChain(a, C.Registers[0], &c, FALSE, &flushedIn);
    right = ChainHolds(&c, 9);
    a->DmaOperations->FreeMapRegisters(a, C.Registers[0], 4);
    KeLowerIrql(irql);
    if (Width)
    {
        OUTCOME(MapTransfer, "memory beyond the device's address lines goes through map registers", right && out == 1 && in == 1);
        OUTCOME(FlushAdapterBuffers, "TRUE, and data in map registers arrives in the buffer", flushedIn && right);
    }
    else if (ScatterGather)
        OUTCOME(MapTransfer, "a device that gathers gets a piece at a time, and Length says how long it is", right && out == 2 && in == 2);
    else
    {
        OUTCOME(MapTransfer, "a device that does not gather gets the whole buffer as one piece", right && out == 1 && in == 1);
        OUTCOME(FlushAdapterBuffers, "TRUE after a write to the device", flushedOut);
    }
    FreeChain(&c);
    a->DmaOperations->PutDmaAdapter(a);
}

static VOID Channels(VOID)
{
    ULONG registers;
    KIRQL irql;
    NTSTATUS status;
    PDEVICE_OBJECT other;
    PDMA_ADAPTER a = Adapter(DEVICE_DESCRIPTION_VERSION2, TRUE, 0, 8192, &registers);
    IoCreateDevice(Hw->Self->DriverObject, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &other);
    C.Calls = 0;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    status = a->DmaOperations->AllocateAdapterChannel(a, Hw->Self, registers + 1, Control, &C);
    OUTCOME(AllocateAdapterChannel, "STATUS_INSUFFICIENT_RESOURCES for more registers than IoGetDmaAdapter said, and no call", status == STATUS_INSUFFICIENT_RESOURCES && C.Calls == 0);
    C.Action = DeallocateObjectKeepRegisters;
    status = a->DmaOperations->AllocateAdapterChannel(a, Hw->Self, registers, Control, &C);
    OUTCOME(AllocateAdapterChannel, "STATUS_SUCCESS, and AdapterControl is called at DISPATCH_LEVEL with its context", status == STATUS_SUCCESS && C.Calls == 1 && C.Context == &C && C.Device == Hw->Self && C.Irql == DISPATCH_LEVEL);
    /* The registers are kept: another request has to wait for them. */
    status = a->DmaOperations->AllocateAdapterChannel(a, other, registers, Control, &C);
    OUTCOME(AllocateAdapterChannel, "STATUS_SUCCESS, and AdapterControl is queued while the registers are in use", status == STATUS_SUCCESS && C.Calls == 1);
    a->DmaOperations->FreeMapRegisters(a, C.Registers[0], registers);
    OUTCOME(FreeMapRegisters, "who waits for the registers is called", C.Calls == 2 && C.Device == other);
    a->DmaOperations->FreeMapRegisters(a, C.Registers[1], registers);
    /* KeepObject: adapter and registers stay with the driver until FreeAdapterChannel. */
    C.Calls = 0;
    C.Action = KeepObject;
    a->DmaOperations->AllocateAdapterChannel(a, Hw->Self, 1, Control, &C);
    C.Action = DeallocateObject;
    a->DmaOperations->AllocateAdapterChannel(a, other, 1, Control, &C);
    OUTCOME(AllocateAdapterChannel, "KeepObject keeps the adapter from others", C.Calls == 1);
    a->DmaOperations->FreeAdapterChannel(a);
    OUTCOME(FreeAdapterChannel, "who waits for the adapter is called", C.Calls == 2 && C.Device == other);
    status = a->DmaOperations->AllocateAdapterChannel(a, Hw->Self, registers, Control, &C);
    OUTCOME(FreeAdapterChannel, "the map registers are free again", status == STATUS_SUCCESS && C.Calls == 3);
    OUTCOME(AllocateAdapterChannel, "DeallocateObject gives adapter and registers back", (a->DmaOperations->AllocateAdapterChannel(a, other, registers, Control, &C), C.Calls) == 4);
    KeLowerIrql(irql);
    a->DmaOperations->PutDmaAdapter(a);
    IoDeleteDevice(other);
}

/* ---- scatter/gather lists ---- */

static struct
{
    ULONG Calls;
    PSCATTER_GATHER_LIST List[3];
    PVOID Context;
} L;

static VOID NTAPI ListControl(PDEVICE_OBJECT DeviceObject, PIRP Irp, PSCATTER_GATHER_LIST List, PVOID Context)
{
    if (L.Calls < 3)
        L.List[L.Calls] = List;
    L.Calls++;
    L.Context = Context;
}

static VOID MoveList(PSCATTER_GATHER_LIST list, BOOLEAN toRam)
{
    ULONG i, at = 0;
    for (i = 0; i < list->NumberOfElements; i++)
    {
        Transfer(at, list->Elements[i].Address, list->Elements[i].Length, toRam);
        at += list->Elements[i].Length;
    }
}

static VOID Lists(VOID)
{
    ULONG registers, size, needed;
    KIRQL irql;
    CHAIN c;
    NTSTATUS status;
    BOOLEAN right;
    PVOID buffer;
    PMDL mdl;
    PUCHAR va;
    PDMA_ADAPTER a = Adapter(DEVICE_DESCRIPTION_VERSION2, TRUE, 0, 8192, &registers);
    PDMA_OPERATIONS o = a->DmaOperations;
    CHECK(MakeChain(&c, 2000, 0));
    va = MmGetMdlVirtualAddress(c.Mdl);
    OUTCOME(MmGetMdlVirtualAddress, "where the buffer begins", va == c.Va[0] + 100);

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    L.Calls = 0;
    FillChain(&c, 33);
    status = o->GetScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, TRUE);
    OUTCOME(GetScatterGatherList, "STATUS_SUCCESS, and AdapterListControl gets list and context", status == STATUS_SUCCESS && L.Calls == 1 && L.Context == &c);
    OUTCOME(GetScatterGatherList, "chained MDLs: an element for each piece of memory",
            L.List[0]->NumberOfElements == 2 && L.List[0]->Elements[0].Length == 2000 && L.List[0]->Elements[1].Address.QuadPart == MmGetPhysicalAddress(c.Va[1] + PAGE_SIZE).QuadPart);
    MoveList(L.List[0], FALSE);
    o->PutScatterGatherList(a, L.List[0], TRUE);
    ClearChain(&c);
    o->GetScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, FALSE);
    MoveList(L.List[1], TRUE);
    KeFlushIoBuffers(c.Mdl, TRUE, TRUE);
    right = ChainHolds(&c, 33);
    OUTCOME(KeFlushIoBuffers, "memory has what the device wrote", right);
    o->PutScatterGatherList(a, L.List[1], FALSE);
    right = ChainHolds(&c, 33);
    OUTCOME(PutScatterGatherList, "the list is freed, and the data is in the buffer", right);
    OUTCOME(GetScatterGatherList, "STATUS_BUFFER_TOO_SMALL when the MDL is shorter than Length", o->GetScatterGatherList(a, Hw->Self, c.Mdl, va, 8000, ListControl, &c, TRUE) == STATUS_BUFFER_TOO_SMALL && L.Calls == 2);

    status = o->CalculateScatterGatherList(a, c.Mdl, va, 4000, &size, &needed);
    OUTCOME(CalculateScatterGatherList, "STATUS_SUCCESS and the bytes of a list for the buffer", status == STATUS_SUCCESS && size >= FIELD_OFFSET(SCATTER_GATHER_LIST, Elements) + 2 * sizeof(SCATTER_GATHER_ELEMENT));
    OUTCOME(CalculateScatterGatherList, "without an MDL: enough for any buffer of the length", o->CalculateScatterGatherList(a, NULL, va, 8192, &needed, NULL) == STATUS_SUCCESS && needed > size);
    OUTCOME(CalculateScatterGatherList, "STATUS_BUFFER_TOO_SMALL when the MDL is shorter than Length", o->CalculateScatterGatherList(a, c.Mdl, va, 8000, &needed, NULL) == STATUS_BUFFER_TOO_SMALL);
    buffer = ExAllocatePoolWithTag(NonPagedPool, size, 'tsiL');
    L.Calls = 0;
    OUTCOME(BuildScatterGatherList, "STATUS_BUFFER_TOO_SMALL for a buffer without room", o->BuildScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, TRUE, buffer, 24) == STATUS_BUFFER_TOO_SMALL && L.Calls == 0);
    status = o->BuildScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, TRUE, buffer, size);
    OUTCOME(BuildScatterGatherList, "STATUS_SUCCESS, and the list is in the driver's buffer", status == STATUS_SUCCESS && L.Calls == 1 && L.List[0] == buffer && L.List[0]->NumberOfElements == 2);
    mdl = NULL;
    OUTCOME(BuildMdlFromScatterGatherList, "STATUS_INVALID_PARAMETER without the original MDL", o->BuildMdlFromScatterGatherList(a, buffer, NULL, &mdl) == STATUS_INVALID_PARAMETER);
    OUTCOME(BuildMdlFromScatterGatherList, "STATUS_SUCCESS and the original MDL when the list names its pages", o->BuildMdlFromScatterGatherList(a, buffer, c.Mdl, &mdl) == STATUS_SUCCESS && mdl == c.Mdl);
    o->PutScatterGatherList(a, buffer, TRUE);
    KeLowerIrql(irql);
    ExFreePoolWithTag(buffer, 'tsiL'); /* it is still the driver's */
    FreeChain(&c);
    o->PutDmaAdapter(a);
}

/* Lists of a device that cannot reach the buffer: one element, in map registers. */
static VOID BouncedLists(VOID)
{
    ULONG registers, size, needed;
    KIRQL irql;
    CHAIN c;
    PMDL mdl = NULL;
    PUCHAR va, copy;
    BOOLEAN right;
    PDMA_ADAPTER a = Adapter(3, TRUE, 24, 8192, &registers);
    PDMA_OPERATIONS o = a->DmaOperations;
    CHECK(MakeChain(&c, 2000, 0x1000000));
    va = MmGetMdlVirtualAddress(c.Mdl);
    OUTCOME(CalculateScatterGatherList, "the map registers that the buffer needs", o->CalculateScatterGatherList(a, c.Mdl, va, 4000, &size, &needed) == STATUS_SUCCESS && needed >= 2);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    L.Calls = 0;
    FillChain(&c, 77);
    o->GetScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, TRUE);
    OUTCOME(GetScatterGatherList, "memory beyond the device's address lines: one element in map registers",
            L.Calls == 1 && L.List[0]->NumberOfElements == 1 && L.List[0]->Elements[0].Length == 4000 && L.List[0]->Elements[0].Address.QuadPart < 0x1000000);
    OUTCOME(BuildMdlFromScatterGatherList, "STATUS_SUCCESS and an MDL of the copy in the map registers", o->BuildMdlFromScatterGatherList(a, L.List[0], c.Mdl, &mdl) == STATUS_SUCCESS && mdl != c.Mdl);
    copy = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    OUTCOME(MmGetSystemAddressForMdlSafe, "maps the pages of an MDL", copy && Holds(copy, 4000, 77));
    OUTCOME(BuildMdlFromScatterGatherList, "STATUS_NONE_MAPPED the second time", o->BuildMdlFromScatterGatherList(a, L.List[0], c.Mdl, &mdl) == STATUS_NONE_MAPPED);
    MoveList(L.List[0], FALSE);
    o->PutScatterGatherList(a, L.List[0], TRUE);
    ClearChain(&c);
    o->GetScatterGatherList(a, Hw->Self, c.Mdl, va, 4000, ListControl, &c, FALSE);
    CHECK(L.Calls == 2);
    MoveList(L.List[1], TRUE);
    o->PutScatterGatherList(a, L.List[1], FALSE);
    right = ChainHolds(&c, 77);
    OUTCOME(PutScatterGatherList, "data in map registers arrives in the buffer", right);
    KeLowerIrql(irql);
    o->PutDmaAdapter(a);
    FreeChain(&c);

    a = Adapter(3, TRUE, 24, 4096, &registers);
    o = a->DmaOperations;
    CHECK(MakeChain(&c, 5000, 0x1000000));
    L.Calls = 0;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    OUTCOME(GetScatterGatherList, "STATUS_INSUFFICIENT_RESOURCES for more map registers than the adapter has",
            o->GetScatterGatherList(a, Hw->Self, c.Mdl, MmGetMdlVirtualAddress(c.Mdl), 10000, ListControl, &c, TRUE) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(BuildScatterGatherList, "STATUS_INSUFFICIENT_RESOURCES for more map registers than the adapter has",
            o->BuildScatterGatherList(a, Hw->Self, c.Mdl, MmGetMdlVirtualAddress(c.Mdl), 10000, ListControl, &c, TRUE, &c, 4096) == STATUS_INSUFFICIENT_RESOURCES);
    OUTCOME(CalculateScatterGatherList, "STATUS_INSUFFICIENT_RESOURCES for more map registers than the adapter has",
            o->CalculateScatterGatherList(a, c.Mdl, MmGetMdlVirtualAddress(c.Mdl), 10000, &size, &needed) == STATUS_INSUFFICIENT_RESOURCES);
    /* 5000 bytes need 2 of the adapter's registers: the second list has to wait for the first. */
    o->GetScatterGatherList(a, Hw->Self, c.Mdl, MmGetMdlVirtualAddress(c.Mdl), 5000, ListControl, &c, TRUE);
    o->GetScatterGatherList(a, Hw->Self, c.Mdl, MmGetMdlVirtualAddress(c.Mdl), 5000, ListControl, &c, TRUE);
    OUTCOME(GetScatterGatherList, "waits while others have the map registers", L.Calls == 1);
    o->PutScatterGatherList(a, L.List[0], TRUE);
    OUTCOME(PutScatterGatherList, "who waits for map registers is called", L.Calls == 2);
    o->PutScatterGatherList(a, L.List[1], TRUE);
    KeLowerIrql(irql);
    FreeChain(&c);
    o->PutDmaAdapter(a);
}

static VOID RunTest(HARDWARE *hw)
{
    Hw = hw;
    Adapters();
    Packets(TRUE, 0, 0);
    Packets(FALSE, 0, 0);
    Packets(TRUE, 24, 0x1000000);
    Channels();
    Lists();
    BouncedLists();
    KtestDone();
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    KtestBegin("dma");
    HardwareDriver(DriverObject);
    return STATUS_SUCCESS;
}
