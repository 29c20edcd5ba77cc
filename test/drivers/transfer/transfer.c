/* Reads, writes and control requests on handles: where the data lies, fast I/O, positions, and how an asynchronous request ends: by event, by APC, at a completion port. */
#include <ntddk.h>
#include "../ktest.h"
#include "../io.h"

#define SERVICE NTSYSAPI NTSTATUS NTAPI
SERVICE ZwCreateIoCompletion(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, ULONG Count);
SERVICE ZwOpenIoCompletion(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes);
SERVICE ZwSetIoCompletion(HANDLE Port, PVOID Key, PVOID Context, NTSTATUS Status, ULONG_PTR Information);
SERVICE ZwQueryIoCompletion(HANDLE Port, ULONG Class, PVOID Information, ULONG Length, PULONG ReturnLength);
SERVICE ZwRemoveIoCompletion(HANDLE Port, PVOID *Key, PVOID *Context, PIO_STATUS_BLOCK Iosb, PLARGE_INTEGER Timeout);
NTKERNELAPI NTSTATUS NTAPI IoSetIoCompletion(PVOID Port, PVOID Key, PVOID Context, NTSTATUS Status, ULONG_PTR Information, BOOLEAN Quota);
extern NTSYSAPI POBJECT_TYPE *IoCompletionObjectType;
SERVICE ZwCreateEvent(PHANDLE Handle, ACCESS_MASK Access, POBJECT_ATTRIBUTES Attributes, EVENT_TYPE Type, BOOLEAN State);

static PDEVICE_OBJECT Buffered, Direct, Neither;
static FAST_IO_DISPATCH FastIo;
static IO_STACK_LOCATION Seen;
static PVOID SeenSystem, SeenUser;
static PMDL SeenMdl;
static UCHAR SeenFirst;
static ULONG Irps, FastCalls;
static BOOLEAN FastAnswer, PendNext;
static PIRP Pended;
static ULONG_PTR Told;
static LONGLONG FastOffset;
static ULONG ApcCalls;

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(Irp);
    PUCHAR data;
    ULONG length;
    UNREFERENCED_PARAMETER(DeviceObject);
    if (stack->MajorFunction == IRP_MJ_CREATE || stack->MajorFunction == IRP_MJ_CLEANUP || stack->MajorFunction == IRP_MJ_CLOSE)
        return Complete(Irp, STATUS_SUCCESS, 0);
    Irps++;
    Seen = *stack;
    SeenSystem = Irp->AssociatedIrp.SystemBuffer;
    SeenUser = Irp->UserBuffer;
    SeenMdl = Irp->MdlAddress;
    length = stack->MajorFunction == IRP_MJ_DEVICE_CONTROL ? stack->Parameters.DeviceIoControl.OutputBufferLength : stack->Parameters.Read.Length;
    data = SeenMdl ? MmGetSystemAddressForMdlSafe(SeenMdl, NormalPagePriority) : SeenSystem ? SeenSystem : SeenUser;
    SeenFirst = SeenSystem ? *(PUCHAR)SeenSystem : data && length ? data[0] : 0;
    if (stack->MajorFunction != IRP_MJ_WRITE && data && length)
        RtlFillMemory(data, length, 0x66);
    if (PendNext)
    {
        PendNext = FALSE;
        IoMarkIrpPending(Irp);
        Pended = Irp;
        return STATUS_PENDING;
    }
    return Complete(Irp, STATUS_SUCCESS, length);
}

static BOOLEAN NTAPI FastRead(PFILE_OBJECT File, PLARGE_INTEGER Offset, ULONG Length, BOOLEAN Wait, ULONG Key, PVOID Buffer, PIO_STATUS_BLOCK Iosb, PDEVICE_OBJECT Device)
{
    UNREFERENCED_PARAMETER(File);
    UNREFERENCED_PARAMETER(Key);
    UNREFERENCED_PARAMETER(Device);
    FastCalls++;
    FastOffset = Offset->QuadPart;
    if (FastAnswer && Wait)
    {
        RtlFillMemory(Buffer, Length, 0x99);
        Iosb->Status = STATUS_SUCCESS;
        Iosb->Information = Length;
    }
    return FastAnswer;
}

static BOOLEAN NTAPI FastControl(PFILE_OBJECT File, BOOLEAN Wait, PVOID In, ULONG InLength, PVOID Out, ULONG OutLength, ULONG Code, PIO_STATUS_BLOCK Iosb, PDEVICE_OBJECT Device)
{
    UNREFERENCED_PARAMETER(File);
    UNREFERENCED_PARAMETER(Wait);
    UNREFERENCED_PARAMETER(In);
    UNREFERENCED_PARAMETER(InLength);
    UNREFERENCED_PARAMETER(Code);
    UNREFERENCED_PARAMETER(Device);
    FastCalls++;
    if (FastAnswer)
    {
        RtlFillMemory(Out, OutLength, 0xaa);
        Iosb->Status = STATUS_SUCCESS;
        Iosb->Information = OutLength;
    }
    return FastAnswer;
}

static BOOLEAN NTAPI FastBasic(PFILE_OBJECT File, BOOLEAN Wait, PFILE_BASIC_INFORMATION Buffer, PIO_STATUS_BLOCK Iosb, PDEVICE_OBJECT Device)
{
    UNREFERENCED_PARAMETER(File);
    UNREFERENCED_PARAMETER(Wait);
    UNREFERENCED_PARAMETER(Device);
    FastCalls++;
    if (FastAnswer)
    {
        Buffer->FileAttributes = 0x1234;
        Iosb->Status = STATUS_SUCCESS;
        Iosb->Information = sizeof *Buffer;
    }
    return FastAnswer;
}

static HANDLE Open(PCWSTR Name, ULONG Options)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK iosb;
    HANDLE file = NULL;
    RtlInitUnicodeString(&name, Name);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateFile(&file, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &attributes, &iosb, NULL, 0, 7, FILE_OPEN, Options, NULL, 0);
    return file;
}

static VOID Transfers(VOID)
{
    HANDLE buffered = Open(L"\\Device\\KtestBuffered", FILE_SYNCHRONOUS_IO_NONALERT), direct = Open(L"\\Device\\KtestDirect", FILE_SYNCHRONOUS_IO_NONALERT),
           neither = Open(L"\\Device\\KtestNeither", FILE_SYNCHRONOUS_IO_NONALERT), asynchronous = Open(L"\\Device\\KtestBuffered", 0);
    UCHAR data[32];
    LARGE_INTEGER offset;
    ULONG key = 3;
    IO_STATUS_BLOCK iosb;
    FILE_POSITION_INFORMATION position;
    offset.QuadPart = 0x1000;
    OUTCOME(ZwReadFile, "STATUS_SUCCESS; a device of buffered I/O gets a system buffer that is copied back", ZwReadFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, &key) == STATUS_SUCCESS && data[0] == 0x66 &&
            data[31] == 0x66 && SeenSystem && SeenSystem != data && iosb.Information == sizeof data);
    OUTCOME(ZwReadFile, "the request has length, offset and key", Seen.Parameters.Read.Length == sizeof data && Seen.Parameters.Read.ByteOffset.QuadPart == 0x1000 && Seen.Parameters.Read.Key == 3);
    RtlZeroMemory(data, sizeof data);
    ZwReadFile(direct, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "a device of direct I/O gets an MDL of the caller's buffer", SeenMdl && SeenSystem == NULL && data[31] == 0x66);
    ZwReadFile(neither, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "a device of neither gets the address of the caller's buffer", SeenUser == data && !SeenMdl && !SeenSystem);
    data[0] = 0x21;
    OUTCOME(ZwWriteFile, "STATUS_SUCCESS; a device of buffered I/O gets a copy of the data", ZwWriteFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL) == STATUS_SUCCESS && SeenFirst == 0x21 && SeenSystem != data);
    ZwWriteFile(direct, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwWriteFile, "a device of direct I/O gets an MDL of the caller's buffer", SeenMdl && SeenFirst == 0x21);
    ZwWriteFile(neither, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwWriteFile, "a device of neither gets the address of the caller's buffer", SeenUser == data && !SeenMdl && !SeenSystem);
    position.CurrentByteOffset.QuadPart = 0x500;
    ZwSetInformationFile(buffered, &iosb, &position, sizeof position, FilePositionInformation);
    ZwReadFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, NULL, NULL);
    OUTCOME(ZwReadFile, "without ByteOffset a synchronous file is read at its position", Seen.Parameters.Read.ByteOffset.QuadPart == 0x500);
    OUTCOME(ZwReadFile, "STATUS_INVALID_PARAMETER without ByteOffset for an asynchronous file", ZwReadFile(asynchronous, NULL, NULL, NULL, &iosb, data, sizeof data, NULL, NULL) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwWriteFile, "STATUS_INVALID_PARAMETER without ByteOffset for an asynchronous file", ZwWriteFile(asynchronous, NULL, NULL, NULL, &iosb, data, sizeof data, NULL, NULL) == STATUS_INVALID_PARAMETER);
    offset.QuadPart = -1;
    ZwWriteFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwWriteFile, "FILE_WRITE_TO_END_OF_FILE is passed to the driver", Seen.Parameters.Write.ByteOffset.QuadPart == -1);
    OUTCOME(ZwReadFile, "STATUS_INVALID_PARAMETER for a negative offset", ZwReadFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL) == STATUS_INVALID_PARAMETER);
    offset.QuadPart = -2;
    ZwWriteFile(buffered, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwWriteFile, "FILE_USE_FILE_POINTER_POSITION means the position of a synchronous file", Seen.Parameters.Write.ByteOffset.QuadPart == 0x500);
    OUTCOME(ZwReadFile, "STATUS_INVALID_HANDLE for a handle that is none", ZwReadFile((HANDLE)0xfff0, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL) == STATUS_INVALID_HANDLE);
    ZwClose(buffered);
    ZwClose(direct);
    ZwClose(neither);
    ZwClose(asynchronous);
}

#define CODE(method) CTL_CODE(FILE_DEVICE_UNKNOWN, 0x900, method, FILE_ANY_ACCESS)

static VOID Control(VOID)
{
    HANDLE file = Open(L"\\Device\\KtestNeither", FILE_SYNCHRONOUS_IO_NONALERT);
    UCHAR in[8] = {0x31}, out[16] = {0};
    IO_STATUS_BLOCK iosb;
    OUTCOME(ZwDeviceIoControlFile, "METHOD_BUFFERED: one system buffer brings the input and takes the output", ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_BUFFERED), in, 8, out, 16) == STATUS_SUCCESS &&
            SeenFirst == 0x31 && out[15] == 0x66 && iosb.Information == 16);
    RtlZeroMemory(out, sizeof out);
    ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_OUT_DIRECT), in, 8, out, 16);
    OUTCOME(ZwDeviceIoControlFile, "METHOD_OUT_DIRECT: the input is copied, an MDL describes the output", SeenFirst == 0x31 && SeenMdl && out[15] == 0x66);
    ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_IN_DIRECT), in, 8, out, 16);
    OUTCOME(ZwDeviceIoControlFile, "METHOD_IN_DIRECT: the input is copied, an MDL describes the second buffer", SeenFirst == 0x31 && SeenMdl);
    ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_NEITHER), in, 8, out, 16);
    OUTCOME(ZwDeviceIoControlFile, "METHOD_NEITHER: the driver gets both addresses as they are", Seen.Parameters.DeviceIoControl.Type3InputBuffer == in && SeenUser == out && !SeenSystem && !SeenMdl);
    OUTCOME(ZwDeviceIoControlFile, "STATUS_INVALID_HANDLE for a handle that is none", ZwDeviceIoControlFile((HANDLE)0xfff0, NULL, NULL, NULL, &iosb, CODE(METHOD_NEITHER), in, 8, out, 16) == STATUS_INVALID_HANDLE);
    FastAnswer = TRUE;
    Irps = FastCalls = 0;
    Neither->DriverObject->FastIoDispatch = &FastIo;
    ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_BUFFERED), in, 8, out, 16);
    OUTCOME(ZwDeviceIoControlFile, "FastIoDeviceControl is asked first; when it answers TRUE there is no IRP", FastCalls == 1 && Irps == 0 && out[0] == 0xaa && iosb.Information == 16);
    FastAnswer = FALSE;
    ZwDeviceIoControlFile(file, NULL, NULL, NULL, &iosb, CODE(METHOD_BUFFERED), in, 8, out, 16);
    OUTCOME(ZwDeviceIoControlFile, "when FastIoDeviceControl answers FALSE an IRP is sent", FastCalls == 2 && Irps == 1 && out[0] == 0x66);
    Neither->DriverObject->FastIoDispatch = NULL;
    ZwClose(file);
}

static VOID Fast(VOID)
{
    HANDLE file = Open(L"\\Device\\KtestBuffered", FILE_SYNCHRONOUS_IO_NONALERT);
    FILE_BASIC_INFORMATION basic;
    PFILE_OBJECT object;
    LARGE_INTEGER offset;
    UCHAR data[8];
    IO_STATUS_BLOCK iosb;
    offset.QuadPart = 0x40;
    ObReferenceObjectByHandle(file, 0, *IoFileObjectType, KernelMode, (PVOID *)&object, NULL);
    Buffered->DriverObject->FastIoDispatch = &FastIo;
    FastAnswer = TRUE;
    FastCalls = Irps = 0;
    ZwReadFile(file, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "a file that is not cached is read by IRP, not by FastIoRead", FastCalls == 0 && Irps == 1);
    object->PrivateCacheMap = object;
    ZwReadFile(file, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "FastIoRead is asked first for a cached file of synchronous I/O", FastCalls == 1 && Irps == 1 && FastOffset == 0x40 && data[7] == 0x99);
    FastAnswer = FALSE;
    ZwReadFile(file, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "when FastIoRead answers FALSE an IRP is sent", FastCalls == 2 && Irps == 2 && data[7] == 0x66);
    object->PrivateCacheMap = NULL;
    FastAnswer = TRUE;
    OUTCOME(ZwQueryInformationFile, "FastIoQueryBasicInfo is asked first for a file of synchronous I/O", ZwQueryInformationFile(file, &iosb, &basic, sizeof basic, FileBasicInformation) == STATUS_SUCCESS && FastCalls == 3 && Irps == 2 && basic.FileAttributes == 0x1234);
    FastAnswer = FALSE;
    ZwQueryInformationFile(file, &iosb, &basic, sizeof basic, FileBasicInformation);
    OUTCOME(ZwQueryInformationFile, "when FastIoQueryBasicInfo answers FALSE an IRP is sent", FastCalls == 4 && Irps == 3);
    Buffered->DriverObject->FastIoDispatch = NULL;
    ObDereferenceObject(object);
    ZwClose(file);
}

static VOID NTAPI Apc(PVOID Context, PIO_STATUS_BLOCK Iosb, ULONG Reserved)
{
    UNREFERENCED_PARAMETER(Reserved);
    ApcCalls++;
    Told = Iosb->Information + (ULONG_PTR)Context;
}

static VOID Asynchronous(VOID)
{
    HANDLE file = Open(L"\\Device\\KtestBuffered", 0), event;
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER offset;
    UCHAR data[8] = {0};
    IO_STATUS_BLOCK iosb;
    PKEVENT object;
    offset.QuadPart = 0;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_ALL_ACCESS, &attributes, NotificationEvent, TRUE);
    ObReferenceObjectByHandle(event, 0, *ExEventObjectType, KernelMode, (PVOID *)&object, NULL);
    PendNext = TRUE;
    iosb.Status = 1;
    OUTCOME(ZwReadFile, "STATUS_PENDING when an asynchronous request is not done; the event is cleared", ZwReadFile(file, event, NULL, NULL, &iosb, data, sizeof data, &offset, NULL) == STATUS_PENDING && !KeReadStateEvent(object));
    CHECK(iosb.Status == 1 && data[0] == 0);
    Complete(Pended, STATUS_SUCCESS, sizeof data);
    OUTCOME(ZwReadFile, "the completion sets the event and fills in data and I/O status block", WaitFor(object) == STATUS_SUCCESS && iosb.Status == STATUS_SUCCESS && iosb.Information == 8 && data[7] == 0x66);
    PendNext = TRUE;
    ZwReadFile(file, NULL, Apc, (PVOID)0x100, &iosb, data, sizeof data, &offset, NULL);
    Complete(Pended, STATUS_SUCCESS, sizeof data);
    OUTCOME(ZwReadFile, "the completion calls ApcRoutine with its context in the requesting thread", ApcCalls == 1 && Told == 0x108);
    ObDereferenceObject(object);
    ZwClose(event);
    ZwClose(file);
}

static VOID Ports(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\KtestPort");
    struct
    {
        HANDLE Port;
        PVOID Key;
    } information;
    HANDLE port, again, file = Open(L"\\Device\\KtestBuffered", 0), synchronous = Open(L"\\Device\\KtestBuffered", FILE_SYNCHRONOUS_IO_NONALERT);
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER offset, none;
    UCHAR data[8];
    IO_STATUS_BLOCK iosb, taken;
    PVOID key, context, object;
    ULONG depth = 9;
    offset.QuadPart = none.QuadPart = 0;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    OUTCOME(ZwCreateIoCompletion, "STATUS_SUCCESS and a handle to a completion port", ZwCreateIoCompletion(&port, 0x1f0003, &attributes, 0) == STATUS_SUCCESS);
    OUTCOME(ZwCreateIoCompletion, "STATUS_OBJECT_NAME_COLLISION when the name is taken", ZwCreateIoCompletion(&again, 0x1f0003, &attributes, 0) == STATUS_OBJECT_NAME_COLLISION);
    OUTCOME(ZwOpenIoCompletion, "STATUS_SUCCESS for a port of that name", ZwOpenIoCompletion(&again, 0x1f0003, &attributes) == STATUS_SUCCESS);
    ZwClose(again);
    OUTCOME(ZwRemoveIoCompletion, "STATUS_TIMEOUT when nothing comes in time", ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_TIMEOUT);
    OUTCOME(ZwSetIoCompletion, "STATUS_SUCCESS and queues a packet", ZwSetIoCompletion(port, (PVOID)1, (PVOID)2, STATUS_DISK_FULL, 3) == STATUS_SUCCESS);
    OUTCOME(ZwQueryIoCompletion, "gives the number of packets", ZwQueryIoCompletion(port, 0, &depth, sizeof depth, NULL) == STATUS_SUCCESS && depth == 1);
    OUTCOME(ZwRemoveIoCompletion, "STATUS_SUCCESS with key, context, status and information of the packet", ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_SUCCESS && key == (PVOID)1 && context == (PVOID)2 &&
            taken.Status == STATUS_DISK_FULL && taken.Information == 3);
    ObReferenceObjectByHandle(port, 0, *IoCompletionObjectType, KernelMode, &object, NULL);
    OUTCOME(IoSetIoCompletion, "STATUS_SUCCESS and queues a packet", IoSetIoCompletion(object, (PVOID)7, (PVOID)8, STATUS_SUCCESS, 9, FALSE) == STATUS_SUCCESS &&
            ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_SUCCESS && key == (PVOID)7 && taken.Information == 9);
    ObDereferenceObject(object);
    information.Port = port;
    information.Key = (PVOID)0x55;
    OUTCOME(ZwSetInformationFile, "FileCompletionInformation: STATUS_INVALID_PARAMETER for a synchronous file", ZwSetInformationFile(synchronous, &iosb, &information, sizeof information, FileCompletionInformation) == STATUS_INVALID_PARAMETER);
    OUTCOME(ZwSetInformationFile, "FileCompletionInformation binds a file to a completion port", ZwSetInformationFile(file, &iosb, &information, sizeof information, FileCompletionInformation) == STATUS_SUCCESS);
    OUTCOME(ZwSetInformationFile, "FileCompletionInformation: STATUS_INVALID_PARAMETER for a file that has a port", ZwSetInformationFile(file, &iosb, &information, sizeof information, FileCompletionInformation) == STATUS_INVALID_PARAMETER);
    PendNext = TRUE;
    CHECK(ZwReadFile(file, NULL, NULL, (PVOID)0x66, &iosb, data, sizeof data, &offset, NULL) == STATUS_PENDING);
    Complete(Pended, STATUS_SUCCESS, sizeof data);
    OUTCOME(ZwReadFile, "the completion queues a packet to the port of the file", ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_SUCCESS && key == (PVOID)0x55 && context == (PVOID)0x66 && taken.Information == 8);
    ZwReadFile(file, NULL, NULL, (PVOID)0x67, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "a request that is done at once queues a packet too", ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_SUCCESS && context == (PVOID)0x67);
    ZwReadFile(file, NULL, NULL, NULL, &iosb, data, sizeof data, &offset, NULL);
    OUTCOME(ZwReadFile, "without an ApcContext no packet is queued", ZwRemoveIoCompletion(port, &key, &context, &taken, &none) == STATUS_TIMEOUT);
    ZwSetIoCompletion(port, NULL, NULL, 0, 0);
    ZwClose(file);
    ZwClose(synchronous);
    ZwClose(port);
}

static VOID NTAPI Unload(PDRIVER_OBJECT DriverObject)
{
    while (DriverObject->DeviceObject)
        IoDeleteDevice(DriverObject->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath)
{
    ULONG i;
    UNREFERENCED_PARAMETER(RegistryPath);
    DriverObject->DriverUnload = Unload;
    for (i = 0; i <= IRP_MJ_DEVICE_CONTROL; i++)
        DriverObject->MajorFunction[i] = Dispatch;
    DriverObject->MajorFunction[IRP_MJ_CLEANUP] = Dispatch;
    FastIo.SizeOfFastIoDispatch = sizeof FastIo;
    FastIo.FastIoRead = (PVOID)FastRead;
    FastIo.FastIoDeviceControl = (PVOID)FastControl;
    FastIo.FastIoQueryBasicInfo = (PVOID)FastBasic;
    KtestBegin("transfer");
    Buffered = NewDevice(DriverObject, L"\\Device\\KtestBuffered", DO_BUFFERED_IO);
    Direct = NewDevice(DriverObject, L"\\Device\\KtestDirect", DO_DIRECT_IO);
    Neither = NewDevice(DriverObject, L"\\Device\\KtestNeither", 0);
    Transfers();
    Control();
    Fast();
    Asynchronous();
    Ports();
    KtestDone();
    return STATUS_SUCCESS;
}
