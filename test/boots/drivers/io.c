/* Exercises the I/O manager, the object manager, the registry and DMA as a driver sees them. Each check prints "ok NAME" or "FAILED NAME: what was seen". */
#include <ntifs.h>

#define TAG 'tsoI'
#define CHECK(name, condition, ...) \
  do { if (condition) DbgPrint("ok %s\n", name); else { DbgPrint("FAILED %s: ", name); DbgPrint(__VA_ARGS__); DbgPrint("\n"); } } while (0)

#define IOCTL_NOW CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_LATER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_FAIL CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_FAIL_LATER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_HANG CTL_CODE(FILE_DEVICE_UNKNOWN, 0x804, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_DIRECT CTL_CODE(FILE_DEVICE_UNKNOWN, 0x805, METHOD_OUT_DIRECT, FILE_ANY_ACCESS)

void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);

/* bottom <- middle <- top; requests enter at the top and are answered at the bottom. */
static PDEVICE_OBJECT Bottom, Middle, Top;
static PDRIVER_OBJECT Driver;
static KTIMER Timer;
static KDPC Dpc;
static PIRP Later;
static ULONG Creates, Cleanups, Closes;
static LONGLONG WrittenAt;

/* What the completion routine of the middle saw. */
static struct { ULONG calls, pending, cancel; NTSTATUS status; PDEVICE_OBJECT device; } Seen;
static ULONG MiddleControl;   /* SL_INVOKE_*; 0: skip the location */
static BOOLEAN MiddleTakesBack;
static KEVENT TakenBack;

static VOID NTAPI Answer(PKDPC d, PVOID c, PVOID a, PVOID b) {
  PIRP irp = Later;
  Later = NULL;
  irp->IoStatus.Status = IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode == IOCTL_FAIL_LATER ? STATUS_DISK_FULL : STATUS_SUCCESS;
  irp->IoStatus.Information = 4;
  *(PULONG)irp->AssociatedIrp.SystemBuffer = 0x1a7e4;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static VOID NTAPI Cancel(PDEVICE_OBJECT d, PIRP irp) {
  IoReleaseCancelSpinLock(irp->CancelIrql);
  irp->IoStatus.Status = STATUS_CANCELLED;
  irp->IoStatus.Information = 0;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
}

static NTSTATUS Finish(PIRP irp, NTSTATUS status, ULONG_PTR information) {
  irp->IoStatus.Status = status;
  irp->IoStatus.Information = information;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  return status;
}

static NTSTATUS AtBottom(PIRP irp) {
  PIO_STACK_LOCATION sp = IoGetCurrentIrpStackLocation(irp);
  LARGE_INTEGER due;
  due.QuadPart = -100000;
  switch (sp->MajorFunction) {
  case IRP_MJ_CREATE: Creates++; return Finish(irp, STATUS_SUCCESS, 0);
  case IRP_MJ_CLEANUP: Cleanups++; return Finish(irp, STATUS_SUCCESS, 0);
  case IRP_MJ_CLOSE: Closes++; return Finish(irp, STATUS_SUCCESS, 0);
  case IRP_MJ_READ:
    memset(irp->AssociatedIrp.SystemBuffer, 0x5a, sp->Parameters.Read.Length);
    /* Not from the start: where this read and the last write begin. */
    if (sp->Parameters.Read.ByteOffset.QuadPart != 0 && sp->Parameters.Read.Length >= 16) {
      ((PLONGLONG)irp->AssociatedIrp.SystemBuffer)[0] = sp->Parameters.Read.ByteOffset.QuadPart;
      ((PLONGLONG)irp->AssociatedIrp.SystemBuffer)[1] = WrittenAt;
    }
    return Finish(irp, STATUS_SUCCESS, sp->Parameters.Read.Length);
  case IRP_MJ_WRITE:
    WrittenAt = sp->Parameters.Write.ByteOffset.QuadPart;
    return Finish(irp, STATUS_SUCCESS, sp->Parameters.Write.Length);
  case IRP_MJ_DEVICE_CONTROL:
  case IRP_MJ_INTERNAL_DEVICE_CONTROL:
    switch (sp->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_NOW:
      *(PULONG)irp->AssociatedIrp.SystemBuffer = sp->MajorFunction;
      return Finish(irp, STATUS_SUCCESS, 4);
    case IOCTL_FAIL: return Finish(irp, STATUS_DISK_FULL, 0);
    case IOCTL_DIRECT:
      memset(MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority), *(PUCHAR)irp->AssociatedIrp.SystemBuffer, MmGetMdlByteCount(irp->MdlAddress));
      return Finish(irp, STATUS_SUCCESS, MmGetMdlByteCount(irp->MdlAddress));
    case IOCTL_LATER:
    case IOCTL_FAIL_LATER:
      IoMarkIrpPending(irp);
      Later = irp;
      KeSetTimer(&Timer, due, &Dpc);
      return STATUS_PENDING;
    case IOCTL_HANG:
      IoMarkIrpPending(irp);
      IoSetCancelRoutine(irp, Cancel);
      return STATUS_PENDING;
    }
  }
  return Finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI MiddleDone(PDEVICE_OBJECT device, PIRP irp, PVOID context) {
  Seen.calls++;
  Seen.pending = irp->PendingReturned;
  Seen.cancel = irp->Cancel;
  Seen.status = irp->IoStatus.Status;
  Seen.device = device;
  if (MiddleTakesBack) {
    KeSetEvent(&TakenBack, 0, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
  }
  if (irp->PendingReturned) IoMarkIrpPending(irp);
  return STATUS_SUCCESS;
}

static NTSTATUS NTAPI Dispatch(PDEVICE_OBJECT device, PIRP irp) {
  NTSTATUS status;
  if (device == Bottom) return AtBottom(irp);
  if (device == Middle && MiddleControl) {
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, MiddleDone, NULL, MiddleControl & SL_INVOKE_ON_SUCCESS, MiddleControl & SL_INVOKE_ON_ERROR, MiddleControl & SL_INVOKE_ON_CANCEL);
    status = IoCallDriver(Bottom, irp);
    if (!MiddleTakesBack) return status;
    KeWaitForSingleObject(&TakenBack, Executive, KernelMode, FALSE, NULL);
    return Finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
  }
  IoSkipCurrentIrpStackLocation(irp);
  return IoCallDriver(device == Top ? Middle : Bottom, irp);
}

static NTSTATUS Send(ULONG code, BOOLEAN internal, PULONG out, PIO_STATUS_BLOCK iosb) {
  KEVENT event;
  PIRP irp;
  NTSTATUS status;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  iosb->Status = 0x12345678;
  irp = IoBuildDeviceIoControlRequest(code, Top, out, 4, out, 4, internal, &event, iosb);
  status = IoCallDriver(Top, irp);
  if (status == STATUS_PENDING) {
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    status = iosb->Status;
  }
  return status;
}

static VOID Reset(ULONG control) {
  memset(&Seen, 0, sizeof Seen);
  MiddleControl = control;
}

static VOID Completion(VOID) {
  IO_STATUS_BLOCK iosb;
  ULONG value = 0;
  NTSTATUS status;

  Reset(0);
  status = Send(IOCTL_NOW, FALSE, &value, &iosb);
  CHECK("ioctl in the call", status == 0 && iosb.Status == 0 && iosb.Information == 4 && value == IRP_MJ_DEVICE_CONTROL, "%lx %lx %lu", status, iosb.Status, value);
  status = Send(IOCTL_NOW, TRUE, &value, &iosb);
  CHECK("internal ioctl", status == 0 && value == IRP_MJ_INTERNAL_DEVICE_CONTROL, "%lx %lu", status, value);
  status = Send(IOCTL_LATER, FALSE, &value, &iosb);
  CHECK("ioctl later", status == 0 && iosb.Information == 4 && value == 0x1a7e4, "%lx %lx", status, value);
  status = Send(IOCTL_FAIL, FALSE, &value, &iosb);
  CHECK("an error in the call leaves the status block", status == STATUS_DISK_FULL && iosb.Status == 0x12345678, "%lx %lx", status, iosb.Status);
  status = Send(IOCTL_FAIL_LATER, FALSE, &value, &iosb);
  CHECK("an error later is in the status block", status == STATUS_DISK_FULL && iosb.Status == STATUS_DISK_FULL, "%lx %lx", status, iosb.Status);

  Reset(SL_INVOKE_ON_SUCCESS);
  Send(IOCTL_NOW, FALSE, &value, &iosb);
  CHECK("completion on success", Seen.calls == 1 && Seen.device == Middle && !Seen.pending, "%lu %p %lu", Seen.calls, Seen.device, Seen.pending);
  Reset(SL_INVOKE_ON_SUCCESS);
  Send(IOCTL_FAIL, FALSE, &value, &iosb);
  CHECK("no completion on error", Seen.calls == 0, "%lu", Seen.calls);
  Reset(SL_INVOKE_ON_ERROR);
  Send(IOCTL_FAIL, FALSE, &value, &iosb);
  CHECK("completion on error", Seen.calls == 1 && Seen.status == STATUS_DISK_FULL, "%lu %lx", Seen.calls, Seen.status);
  Reset(SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL);
  status = Send(IOCTL_LATER, FALSE, &value, &iosb);
  CHECK("pending is seen above", status == 0 && Seen.calls == 1 && Seen.pending, "%lx %lu %lu", status, Seen.calls, Seen.pending);

  Reset(SL_INVOKE_ON_SUCCESS | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_CANCEL);
  MiddleTakesBack = TRUE;
  KeInitializeEvent(&TakenBack, SynchronizationEvent, FALSE);
  status = Send(IOCTL_LATER, FALSE, &value, &iosb);
  MiddleTakesBack = FALSE;
  CHECK("more processing required", status == 0 && Seen.calls == 1 && value == 0x1a7e4, "%lx %lu %lx", status, Seen.calls, value);
  Reset(0);
}

static NTSTATUS NTAPI OwnDone(PDEVICE_OBJECT device, PIRP irp, PVOID context) {
  Seen.calls++;
  Seen.device = device;
  Seen.status = irp->IoStatus.Status;
  Seen.cancel = irp->Cancel;
  KeSetEvent(context, 0, FALSE);
  return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID OwnIrps(VOID) {
  KEVENT event;
  PIRP irp, parts[2];
  IO_STATUS_BLOCK iosb;
  NTSTATUS status;
  LARGE_INTEGER offset;
  UCHAR buffer[16];
  BOOLEAN cancelled;
  ULONG i;

  Reset(0);
  KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  irp = IoAllocateIrp(Top->StackSize, FALSE);
  CHECK("allocated irp", irp->StackCount == 3 && irp->CurrentLocation == 4 && irp->Type == IO_TYPE_IRP && irp->Size == IoSizeOfIrp(3), "%d %d", irp->StackCount, irp->CurrentLocation);
  IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_DEVICE_CONTROL;
  IoGetNextIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode = IOCTL_HANG;
  IoSetCompletionRoutine(irp, OwnDone, &event, TRUE, TRUE, TRUE);
  status = IoCallDriver(Top, irp);
  CHECK("hangs", status == STATUS_PENDING && Seen.calls == 0, "%lx %lu", status, Seen.calls);
  cancelled = IoCancelIrp(irp);
  CHECK("cancelled", cancelled && Seen.calls == 1 && Seen.status == STATUS_CANCELLED && Seen.cancel && !Seen.device && KeGetCurrentIrql() == PASSIVE_LEVEL, "%d %lu %lx", cancelled, Seen.calls, Seen.status);
  CHECK("cancelled twice", !IoCancelIrp(irp), "a cancel routine was there");
  IoReuseIrp(irp, STATUS_SUCCESS);
  CHECK("reused", irp->CurrentLocation == 4 && !irp->Cancel && irp->IoStatus.Status == 0, "%d %d", irp->CurrentLocation, irp->Cancel);
  Reset(0);
  IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_SHUTDOWN;
  IoSetCompletionRoutine(irp, OwnDone, &event, TRUE, TRUE, TRUE);
  status = IoCallDriver(Top, irp);
  CHECK("a major function nobody has", status == STATUS_INVALID_DEVICE_REQUEST && Seen.calls == 1, "%lx %lu", status, Seen.calls);
  IoFreeIrp(irp);

  offset.QuadPart = 0;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  memset(buffer, 0, sizeof buffer);
  irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, Top, buffer, sizeof buffer, &offset, &event, &iosb);
  status = IoCallDriver(Top, irp);
  CHECK("synchronous read", status == 0 && iosb.Information == 16 && buffer[0] == 0x5a && buffer[15] == 0x5a, "%lx %x", status, buffer[0]);

  /* A master IRP completes when its last part has. */
  Reset(0);
  KeInitializeEvent(&event, SynchronizationEvent, FALSE);
  irp = IoAllocateIrp(2, FALSE);
  irp->Tail.Overlay.Thread = PsGetCurrentThread();
  IoSetNextIrpStackLocation(irp);
  IoSetCompletionRoutine(irp, OwnDone, &event, TRUE, TRUE, TRUE);
  IoSetNextIrpStackLocation(irp);
  irp->AssociatedIrp.IrpCount = 2;
  for (i = 0; i < 2; i++) {
    parts[i] = IoMakeAssociatedIrp(irp, Top->StackSize);
    IoGetNextIrpStackLocation(parts[i])->MajorFunction = IRP_MJ_WRITE;
  }
  IoCallDriver(Top, parts[0]);
  CHECK("one part is not enough", Seen.calls == 0 && irp->AssociatedIrp.IrpCount == 1, "%lu %ld", Seen.calls, irp->AssociatedIrp.IrpCount);
  IoCallDriver(Top, parts[1]);
  CHECK("the master follows its last part", Seen.calls == 1, "%lu", Seen.calls);
  IoFreeIrp(irp);
}

static VOID Handles(VOID) {
  UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\DosDevices\\IoTest"), missing = RTL_CONSTANT_STRING(L"\\Device\\Nowhere"), path = RTL_CONSTANT_STRING(L"\\Device\\Nowhere\\x");
  OBJECT_ATTRIBUTES a;
  IO_STATUS_BLOCK iosb;
  HANDLE handle, event, file2;
  NTSTATUS status;
  ULONG value = 0, length;
  PFILE_OBJECT file;
  PDEVICE_OBJECT device;
  LARGE_INTEGER offset, timeout;
  UCHAR buffer[64];
  POBJECT_NAME_INFORMATION info = (POBJECT_NAME_INFORMATION)buffer;
  union { OBJECT_NAME_INFORMATION info; UCHAR bytes[128]; } named;
  PVOID object;

  InitializeObjectAttributes(&a, &missing, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
  status = ZwCreateFile(&handle, GENERIC_READ, &a, &iosb, NULL, 0, 0, FILE_OPEN, 0, NULL, 0);
  CHECK("no such name", status == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
  a.ObjectName = &path;
  status = ZwCreateFile(&handle, GENERIC_READ, &a, &iosb, NULL, 0, 0, FILE_OPEN, 0, NULL, 0);
  CHECK("no such path", status == STATUS_OBJECT_PATH_NOT_FOUND, "%lx", status);

  Creates = Cleanups = Closes = 0;
  a.ObjectName = &name;
  status = ZwCreateFile(&handle, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &a, &iosb, NULL, 0, 0, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
  CHECK("open", status == 0 && Creates == 1 && (LONG_PTR)handle < 0, "%lx %p", status, handle);
  status = ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &iosb, IOCTL_LATER, &value, 4, &value, 4);
  CHECK("synchronous handle waits", status == 0 && iosb.Information == 4 && value == 0x1a7e4, "%lx %lx", status, value);
  status = ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &iosb, IOCTL_FAIL_LATER, &value, 4, &value, 4);
  CHECK("and gets the error", status == STATUS_DISK_FULL, "%lx", status);
  buffer[0] = 0x77;
  status = ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &iosb, IOCTL_DIRECT, buffer, 1, buffer + 8, 32);
  CHECK("direct i/o", status == 0 && iosb.Information == 32 && buffer[8] == 0x77 && buffer[39] == 0x77, "%lx %x", status, buffer[8]);
  offset.QuadPart = 0;
  memset(buffer, 0, sizeof buffer);
  status = ZwReadFile(handle, NULL, NULL, NULL, &iosb, buffer, 5, &offset, NULL);
  CHECK("read", status == 0 && iosb.Information == 5 && buffer[4] == 0x5a && buffer[5] == 0, "%lx %x", status, buffer[4]);
  status = ZwWriteFile(handle, NULL, NULL, NULL, &iosb, buffer, 0, &offset, NULL);
  CHECK("write of nothing", status == 0 && iosb.Information == 0, "%lx", status);

  status = ObReferenceObjectByHandle(handle, FILE_READ_DATA, *IoFileObjectType, KernelMode, (PVOID *)&file, NULL);
  CHECK("file object", status == 0 && file->Type == IO_TYPE_FILE && file->DeviceObject == Bottom && IoGetRelatedDeviceObject(file) == Top && (file->Flags & FO_SYNCHRONOUS_IO), "%lx %p", status, file->DeviceObject);
  status = ObQueryNameString(file, &named.info, sizeof named, &length);
  CHECK("its name", status == 0 && named.info.Name.Length == sizeof(L"\\Device\\IoTest") - 2, "%lx %wZ", status, &named.info.Name);
  status = ObQueryNameString(file, info, 8, &length);
  CHECK("its name needs room", status == STATUS_INFO_LENGTH_MISMATCH && length == 16 + sizeof(L"\\Device\\IoTest"), "%lx %lu", status, length);
  ObDereferenceObject(file);
  status = ObReferenceObjectByHandle(handle, 0, *ExEventObjectType, KernelMode, &object, NULL);
  CHECK("another type", status == STATUS_OBJECT_TYPE_MISMATCH, "%lx", status);
  status = ZwClose(handle);
  CHECK("close", status == 0 && Cleanups == 1 && Closes == 1, "%lx %lu %lu", status, Cleanups, Closes);
  /* The kernel handle itself must not be closed again: bug check 0x93. */
  status = ZwClose((HANDLE)0x7ff0);
  CHECK("close again", status == STATUS_INVALID_HANDLE, "%lx", status);

  /* An asynchronous handle: the end comes by an event. */
  status = ZwCreateFile(&file2, GENERIC_READ, &a, &iosb, NULL, 0, 0, FILE_OPEN, 0, NULL, 0);
  ZwCreateEvent(&event, EVENT_ALL_ACCESS, NULL, NotificationEvent, FALSE);
  status = ZwDeviceIoControlFile(file2, event, NULL, NULL, &iosb, IOCTL_LATER, &value, 4, &value, 4);
  CHECK("asynchronous handle does not wait", status == STATUS_PENDING, "%lx", status);
  timeout.QuadPart = -10000000;
  ObReferenceObjectByHandle(event, 0, *ExEventObjectType, KernelMode, &object, NULL);
  status = KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
  CHECK("its event comes", status == 0 && iosb.Status == 0 && iosb.Information == 4, "%lx %lx", status, iosb.Status);
  ObDereferenceObject(object);
  status = ZwDeviceIoControlFile(file2, event, NULL, NULL, &iosb, IOCTL_HANG, &value, 4, &value, 4);
  Cleanups = Closes = 0;
  {
    PFILE_OBJECT f;
    PETHREAD thread = PsGetCurrentThread();
    ObReferenceObjectByHandle(file2, 0, *IoFileObjectType, KernelMode, (PVOID *)&f, NULL);
    ZwClose(file2);
    CHECK("cleanup before close", Cleanups == 1 && Closes == 0 && thread, "%lu %lu", Cleanups, Closes);
    ObDereferenceObject(f);
    CHECK("a request keeps its file", Closes == 0, "%lu", Closes);
  }
  ZwClose(event);

  status = IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &device);
  CHECK("device pointer", status == 0 && device == Top, "%lx %p", status, device);
  ObDereferenceObject(file);
}

static VOID Objects(VOID) {
  UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\IoTestLink"), target = RTL_CONSTANT_STRING(L"\\??\\IoTest"), self = RTL_CONSTANT_STRING(L"\\Driver\\Io"), found;
  UNICODE_STRING loop1 = RTL_CONSTANT_STRING(L"\\??\\Loop1"), loop2 = RTL_CONSTANT_STRING(L"\\??\\Loop2"), event = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\IoTestEvent");
  OBJECT_ATTRIBUTES a;
  HANDLE handle, handle2;
  IO_STATUS_BLOCK iosb;
  NTSTATUS status;
  PVOID object;
  WCHAR text[32];
  ULONG length;
  extern __declspec(dllimport) POBJECT_TYPE *IoDriverObjectType;
  NTSTATUS NTAPI ObReferenceObjectByName(PUNICODE_STRING, ULONG, PACCESS_STATE, ACCESS_MASK, POBJECT_TYPE, KPROCESSOR_MODE, PVOID, PVOID *);

  status = ObReferenceObjectByName(&self, OBJ_CASE_INSENSITIVE, NULL, 0, *IoDriverObjectType, KernelMode, NULL, &object);
  CHECK("driver by name", status == 0 && object == Driver, "%lx %p", status, object);
  ObDereferenceObject(object);
  status = IoCreateSymbolicLink(&link, &target);
  CHECK("link", status == 0, "%lx", status);
  status = IoCreateSymbolicLink(&link, &target);
  CHECK("link again", status == STATUS_OBJECT_NAME_COLLISION, "%lx", status);
  InitializeObjectAttributes(&a, &link, OBJ_KERNEL_HANDLE, NULL, NULL);
  status = ZwOpenFile(&handle, GENERIC_READ, &a, &iosb, 0, 0);
  CHECK("open through two links", status == 0, "%lx", status);
  ZwClose(handle);
  status = ZwOpenSymbolicLinkObject(&handle, GENERIC_READ, &a);
  found.Buffer = text;
  found.Length = 0;
  found.MaximumLength = sizeof text;
  if (status == 0) {
    status = ZwQuerySymbolicLinkObject(handle, &found, &length);
    ZwClose(handle);
  }
  CHECK("what the link says", status == 0 && RtlEqualUnicodeString(&found, &target, FALSE), "%lx", status);
  status = IoDeleteSymbolicLink(&link);
  CHECK("unlink", status == 0 && IoDeleteSymbolicLink(&link) == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
  IoCreateSymbolicLink(&loop1, &loop2);
  IoCreateSymbolicLink(&loop2, &loop1);
  a.ObjectName = &loop1;
  status = ZwOpenFile(&handle, GENERIC_READ, &a, &iosb, 0, 0);
  CHECK("links in a circle", status == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
  IoDeleteSymbolicLink(&loop1);
  IoDeleteSymbolicLink(&loop2);

  InitializeObjectAttributes(&a, &event, OBJ_KERNEL_HANDLE | OBJ_OPENIF, NULL, NULL);
  status = ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
  CHECK("named event", status == 0, "%lx", status);
  status = ZwCreateEvent(&handle2, EVENT_ALL_ACCESS, &a, NotificationEvent, FALSE);
  CHECK("named event again", status == STATUS_OBJECT_NAME_EXISTS, "%lx", status);
  ZwClose(handle2);
  ZwClose(handle);
  status = ZwOpenEvent(&handle, EVENT_ALL_ACCESS, &a);
  CHECK("the name goes with the last handle", status == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
}

static VOID Registry(PUNICODE_STRING path) {
  UNICODE_STRING parameters = RTL_CONSTANT_STRING(L"Parameters"), sub = RTL_CONSTANT_STRING(L"Sub"), value = RTL_CONSTANT_STRING(L"Answer"), none = RTL_CONSTANT_STRING(L"None");
  OBJECT_ATTRIBUTES a;
  HANDLE key, child, grandchild;
  ULONG number = 42, length, disposition;
  UCHAR buffer[64];
  PKEY_VALUE_PARTIAL_INFORMATION partial = (PVOID)buffer;
  PKEY_BASIC_INFORMATION basic = (PVOID)buffer;
  NTSTATUS status;

  InitializeObjectAttributes(&a, path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
  status = ZwOpenKey(&key, KEY_ALL_ACCESS, &a);
  CHECK("service key", status == 0, "%lx", status);
  InitializeObjectAttributes(&a, &parameters, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, key, NULL);
  status = ZwOpenKey(&child, KEY_ALL_ACCESS, &a);
  CHECK("parameters", status == 0, "%lx", status);
  status = ZwSetValueKey(child, &value, 0, REG_DWORD, &number, 4);
  CHECK("set value", status == 0, "%lx", status);
  status = ZwQueryValueKey(child, &value, KeyValuePartialInformation, buffer, sizeof buffer, &length);
  CHECK("query value", status == 0 && length == 16 && partial->Type == REG_DWORD && *(PULONG)partial->Data == 42, "%lx %lu", status, length);
  status = ZwQueryValueKey(child, &value, KeyValuePartialInformation, buffer, 13, &length);
  CHECK("query value cut", status == STATUS_BUFFER_OVERFLOW && length == 16, "%lx %lu", status, length);
  status = ZwQueryValueKey(child, &value, KeyValuePartialInformation, buffer, 4, &length);
  CHECK("query value without room", status == STATUS_BUFFER_TOO_SMALL && length == 16, "%lx %lu", status, length);
  status = ZwQueryValueKey(child, &none, KeyValuePartialInformation, buffer, sizeof buffer, &length);
  CHECK("no such value", status == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
  InitializeObjectAttributes(&a, &sub, OBJ_KERNEL_HANDLE, child, NULL);
  status = ZwCreateKey(&grandchild, KEY_ALL_ACCESS, &a, 0, NULL, 0, &disposition);
  CHECK("create key", status == 0 && disposition == REG_CREATED_NEW_KEY, "%lx %lu", status, disposition);
  status = ZwEnumerateKey(child, 0, KeyBasicInformation, buffer, sizeof buffer, &length);
  CHECK("enumerate key", status == 0 && basic->NameLength == 6 && basic->Name[0] == 'S', "%lx", status);
  status = ZwEnumerateKey(child, 1, KeyBasicInformation, buffer, sizeof buffer, &length);
  CHECK("no more keys", status == STATUS_NO_MORE_ENTRIES, "%lx", status);
  status = ZwDeleteKey(child);
  CHECK("delete a key with a subkey", status == STATUS_CANNOT_DELETE, "%lx", status);
  status = ZwDeleteKey(grandchild);
  CHECK("delete key", status == 0 && ZwQueryValueKey(grandchild, &value, KeyValuePartialInformation, buffer, sizeof buffer, &length) == STATUS_KEY_DELETED, "%lx", status);
  ZwClose(grandchild);
  status = ZwDeleteValueKey(child, &value);
  CHECK("delete value", status == 0 && ZwDeleteValueKey(child, &value) == STATUS_OBJECT_NAME_NOT_FOUND, "%lx", status);
  ZwClose(child);
  ZwClose(key);
}

/* ---- helpers of drivers ---- */

static KEVENT Worked;
static ULONG WorkCount, TimerCount;
static VOID NTAPI Work(PDEVICE_OBJECT device, PVOID context) {
  WorkCount += device == Bottom && context == &Worked && KeGetCurrentIrql() == PASSIVE_LEVEL;
  KeSetEvent(&Worked, 0, FALSE);
}
static VOID NTAPI OnTimer(PDEVICE_OBJECT device, PVOID context) {
  TimerCount += device == Bottom && KeGetCurrentIrql() == DISPATCH_LEVEL;
}
static ULONG Order;
static VOID NTAPI StartIo(PDEVICE_OBJECT device, PIRP irp) {
  Order = Order * 10 + (ULONG)(ULONG_PTR)irp->Tail.Overlay.DriverContext[3];
}

static VOID Helpers(VOID) {
  PIO_WORKITEM item = IoAllocateWorkItem(Bottom);
  IO_REMOVE_LOCK lock;
  NTSTATUS status;
  LARGE_INTEGER wait;
  PVOID extension, again;
  PIRP irps[4];
  ULONG keys[4] = { 0, 30, 10, 20 }, i;
  KIRQL irql;

  KeInitializeEvent(&Worked, SynchronizationEvent, FALSE);
  IoQueueWorkItem(item, Work, DelayedWorkQueue, &Worked);
  KeWaitForSingleObject(&Worked, Executive, KernelMode, FALSE, NULL);
  CHECK("work item", WorkCount == 1, "%lu", WorkCount);
  IoFreeWorkItem(item);

  IoInitializeRemoveLock(&lock, TAG, 0, 0);
  status = IoAcquireRemoveLock(&lock, NULL);
  CHECK("remove lock", status == 0, "%lx", status);
  IoReleaseRemoveLockAndWait(&lock, NULL);
  status = IoAcquireRemoveLock(&lock, NULL);
  CHECK("remove lock after removal", status == STATUS_DELETE_PENDING, "%lx", status);

  status = IoAllocateDriverObjectExtension(Driver, (PVOID)&lock, 24, &extension);
  CHECK("driver extension", status == 0 && IoGetDriverObjectExtension(Driver, &lock) == extension && !IoGetDriverObjectExtension(Driver, &irql), "%lx", status);
  status = IoAllocateDriverObjectExtension(Driver, (PVOID)&lock, 24, &again);
  CHECK("driver extension again", status == STATUS_OBJECT_NAME_COLLISION, "%lx", status);

  IoInitializeTimer(Bottom, OnTimer, NULL);
  IoStartTimer(Bottom);
  wait.QuadPart = -35000000;
  KeDelayExecutionThread(KernelMode, FALSE, &wait);
  IoStopTimer(Bottom);
  CHECK("a timer once a second", TimerCount == 3, "%lu", TimerCount);
  KeDelayExecutionThread(KernelMode, FALSE, &wait);
  CHECK("a timer that was stopped", TimerCount == 3, "%lu", TimerCount);

  for (i = 0; i < 4; i++) {
    irps[i] = IoAllocateIrp(1, FALSE);
    irps[i]->Tail.Overlay.DriverContext[3] = (PVOID)(ULONG_PTR)(i + 1);
    IoStartPacket(Bottom, irps[i], &keys[i], NULL);
  }
  CHECK("the first packet starts at once", Order == 1 && Bottom->CurrentIrp == irps[0] && KeGetCurrentIrql() == PASSIVE_LEVEL, "%lu", Order);
  KeRaiseIrql(DISPATCH_LEVEL, &irql);
  for (i = 0; i < 4; i++) IoStartNextPacket(Bottom, FALSE);
  KeLowerIrql(irql);
  CHECK("the others by their keys", Order == 1342 && !Bottom->CurrentIrp, "%lu", Order);
  for (i = 0; i < 4; i++) IoFreeIrp(irps[i]);
}

/* ---- DMA through map registers: a device with 24 address lines and memory above 16 MiB ---- */

static PMDL DmaMdl;
static PUCHAR DmaBuffer;
static ULONG DmaCalls;
static PVOID DmaBase;
static IO_ALLOCATION_ACTION NTAPI Control(PDEVICE_OBJECT device, PIRP irp, PVOID base, PVOID context) {
  DmaCalls++;
  DmaBase = base;
  return DeallocateObjectKeepRegisters;
}
static VOID NTAPI List(PDEVICE_OBJECT device, PIRP irp, PSCATTER_GATHER_LIST list, PVOID context) {
  *(PSCATTER_GATHER_LIST *)context = list;
}

static VOID Dma(VOID) {
  DEVICE_DESCRIPTION description;
  PHYSICAL_ADDRESS low, high, skip, address;
  PSCATTER_GATHER_LIST list = NULL;
  PDMA_ADAPTER adapter;
  ULONG registers, length = 6000, i;
  PUCHAR common, bounce;
  BOOLEAN same = TRUE;
  KIRQL irql;

  memset(&description, 0, sizeof description);
  description.Version = DEVICE_DESCRIPTION_VERSION;
  description.Master = TRUE;   /* that says nothing of its width: the 24 address lines of ISA */
  description.InterfaceType = Isa;
  description.MaximumLength = 8192;
  adapter = IoGetDmaAdapter(Bottom, &description, &registers);
  CHECK("adapter", adapter && registers == 3, "%p %lu", adapter, registers);
  common = adapter->DmaOperations->AllocateCommonBuffer(adapter, 5000, &address, FALSE);
  CHECK("common buffer below 16 MiB", common && address.QuadPart + 5000 <= 0x1000000 && MmGetPhysicalAddress(common).QuadPart == address.QuadPart, "%p %I64x", common, address.QuadPart);
  adapter->DmaOperations->FreeCommonBuffer(adapter, 5000, address, common, FALSE);

  low.QuadPart = 0x2000000;
  high.QuadPart = -1;
  skip.QuadPart = 0;
  DmaBuffer = MmAllocateContiguousMemorySpecifyCache(8192, low, high, skip, MmCached);
  DmaMdl = IoAllocateMdl(DmaBuffer + 100, length, FALSE, FALSE, NULL);
  MmBuildMdlForNonPagedPool(DmaMdl);
  for (i = 0; i < 8192; i++) DmaBuffer[i] = (UCHAR)(i * 7);

  KeRaiseIrql(DISPATCH_LEVEL, &irql);
  adapter->DmaOperations->AllocateAdapterChannel(adapter, Bottom, 3, Control, NULL);
  CHECK("adapter control", DmaCalls == 1 && DmaBase, "%lu %p", DmaCalls, DmaBase);
  address = adapter->DmaOperations->MapTransfer(adapter, DmaMdl, DmaBase, MmGetMdlVirtualAddress(DmaMdl), &length, TRUE);
  CHECK("mapped below 16 MiB", address.QuadPart + length <= 0x1000000 && length == 6000, "%I64x %lu", address.QuadPart, length);
  KeLowerIrql(irql);
  bounce = MmMapIoSpace(address, 6000, MmCached);
  for (i = 0; i < 6000; i++) same &= bounce[i] == DmaBuffer[100 + i];
  CHECK("what the device would read", same, "bytes differ");
  for (i = 0; i < 6000; i++) bounce[i] = (UCHAR)(i * 3);
  MmUnmapIoSpace(bounce, 6000);
  adapter->DmaOperations->FlushAdapterBuffers(adapter, DmaMdl, DmaBase, MmGetMdlVirtualAddress(DmaMdl), 6000, FALSE);
  for (i = 0, same = TRUE; i < 6000; i++) same &= DmaBuffer[100 + i] == (UCHAR)(i * 3);
  same &= DmaBuffer[99] == (UCHAR)(99 * 7) && DmaBuffer[6100] == (UCHAR)(6100 * 7);
  CHECK("what the device wrote", same, "bytes differ");
  KeRaiseIrql(DISPATCH_LEVEL, &irql);
  adapter->DmaOperations->FreeMapRegisters(adapter, DmaBase, 3);
  KeLowerIrql(irql);
  adapter->DmaOperations->PutDmaAdapter(adapter);

  memset(&description, 0, sizeof description);
  description.Version = DEVICE_DESCRIPTION_VERSION;
  description.Master = TRUE;
  description.ScatterGather = TRUE;
  description.Dma32BitAddresses = TRUE;
  description.InterfaceType = PCIBus;
  description.MaximumLength = 65536;
  adapter = IoGetDmaAdapter(Bottom, &description, &registers);
  KeRaiseIrql(DISPATCH_LEVEL, &irql);
  adapter->DmaOperations->GetScatterGatherList(adapter, Bottom, DmaMdl, MmGetMdlVirtualAddress(DmaMdl), 6000, List, &list, TRUE);
  CHECK("scatter/gather list", list && list->NumberOfElements == 1 && list->Elements[0].Length == 6000 && list->Elements[0].Address.QuadPart == MmGetPhysicalAddress(DmaBuffer + 100).QuadPart, "%p", list);
  adapter->DmaOperations->PutScatterGatherList(adapter, list, TRUE);
  KeLowerIrql(irql);
  adapter->DmaOperations->PutDmaAdapter(adapter);
  IoFreeMdl(DmaMdl);
  MmFreeContiguousMemory(DmaBuffer);
}

/* A request of a thread that ends is cancelled. */
static VOID NTAPI Leaver(PVOID context) {
  UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\DosDevices\\IoTest");
  OBJECT_ATTRIBUTES a;
  static IO_STATUS_BLOCK iosb;
  HANDLE handle;
  ULONG value = 0;
  InitializeObjectAttributes(&a, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
  ZwCreateFile(&handle, GENERIC_READ, &a, &iosb, NULL, 0, 0, FILE_OPEN, 0, NULL, 0);
  ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &iosb, IOCTL_HANG, &value, 4, &value, 4);
  ZwClose(handle);
  if (context) PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID Leave(PVOID how) {
  HANDLE handle;
  Closes = 0;
  PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, Leaver, how);
  ZwWaitForSingleObject(handle, FALSE, NULL);
  ZwClose(handle);
  LARGE_INTEGER soon;
  soon.QuadPart = -1000000;
  KeDelayExecutionThread(KernelMode, FALSE, &soon);
  CHECK(how ? "a terminated thread leaves no request" : "a thread leaves no request", Closes == 1, "%lu", Closes);
}

static ULONG Reinitialized;
static VOID NTAPI Reinitialize(PDRIVER_OBJECT driver, PVOID context, ULONG count) {
  Reinitialized += count;
  CHECK("called again", driver == Driver && context == &Reinitialized && count == 1 && Bottom->Flags & DO_BUFFERED_IO && !(Bottom->Flags & DO_DEVICE_INITIALIZING), "%lu", count);
}

static VOID NTAPI Unload(PDRIVER_OBJECT driver) {
  UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\IoTest");
  IoDeleteSymbolicLink(&link);
  IoDeleteDevice(Top);
  IoDeleteDevice(Middle);
  IoDeleteDevice(Bottom);
  DbgPrint("io unloaded\n");
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\IoTest"), link = RTL_CONSTANT_STRING(L"\\DosDevices\\IoTest"), prefix = RTL_CONSTANT_STRING(L"\\REGISTRY\\MACHINE\\");
  PDEVICE_OBJECT other;
  NTSTATUS status;
  ULONG i, prefilled = 0;

  Driver = driver;
  for (i = 1; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) prefilled += driver->MajorFunction[i] == driver->MajorFunction[0];
  CHECK("major functions are prefilled", prefilled == IRP_MJ_MAXIMUM_FUNCTION && driver->MajorFunction[0], "%lu", prefilled);
  CHECK("driver object", driver->Type == IO_TYPE_DRIVER && driver->DriverExtension->DriverObject == driver && !driver->DeviceObject && driver->DriverInit, "%d", driver->Type);
  CHECK("registry path", RtlPrefixUnicodeString(&prefix, path, FALSE), "%wZ", path);
  for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++) driver->MajorFunction[i] = Dispatch;
  driver->DriverUnload = Unload;
  driver->DriverStartIo = StartIo;
  KeInitializeTimer(&Timer);
  KeInitializeDpc(&Dpc, Answer, NULL);

  status = IoCreateDevice(driver, 40, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &Bottom);
  CHECK("device", status == 0 && Bottom->Type == IO_TYPE_DEVICE && Bottom->StackSize == 1 && (PUCHAR)Bottom->DeviceExtension == (PUCHAR)Bottom + 0x150 && Bottom->Flags & DO_DEVICE_INITIALIZING, "%lx", status);
  status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &other);
  CHECK("device of the same name", status == STATUS_OBJECT_NAME_COLLISION, "%lx", status);
  IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Middle);
  IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &Top);
  CHECK("attach while initialising", !IoAttachDeviceToDeviceStack(Middle, Bottom), "attached");
  Bottom->Flags |= DO_BUFFERED_IO;
  Bottom->Flags &= ~DO_DEVICE_INITIALIZING;
  CHECK("attach", IoAttachDeviceToDeviceStack(Middle, Bottom) == Bottom && Middle->StackSize == 2 && Bottom->AttachedDevice == Middle, "%d", Middle->StackSize);
  Middle->Flags |= DO_BUFFERED_IO;
  Middle->Flags &= ~DO_DEVICE_INITIALIZING;
  CHECK("attach to the top", IoAttachDeviceToDeviceStack(Top, Bottom) == Middle && Top->StackSize == 3, "%d", Top->StackSize);
  Top->Flags |= DO_BUFFERED_IO;
  Top->Flags &= ~DO_DEVICE_INITIALIZING;
  IoCreateSymbolicLink(&link, &name);
  IoRegisterDriverReinitialization(driver, Reinitialize, &Reinitialized);

  Completion();
  OwnIrps();
  Handles();
  Objects();
  Registry(path);
  Leave(NULL);
  Leave(&Driver);
  Helpers();
  Dma();
  /* A driver whose devices have others on top is not unloaded. */
  IoDetachDevice(Middle);
  IoDetachDevice(Bottom);
  CHECK("detach", !Bottom->AttachedDevice && !Middle->AttachedDevice, "attached");
  DbgPrint("io done\n");
  return STATUS_SUCCESS;
}
