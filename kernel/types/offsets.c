/*
 * Offsets and sizes of the public structures as the WDK's headers have them. Compiled, not run: offsets.test.ts compares the table in offsets.json, which is made by
 *   x86_64-w64-mingw32-gcc -S -O0 -I/usr/x86_64-w64-mingw32/include/ddk -o - kernel/types/offsets.c
 * from the .quad directives after each label. Left out: KWAIT_BLOCK (these headers have its form before Windows 8), the size of DEVICE_OBJECT (they lack its alignment).
 * A label is STRUCT__FIELD, or STRUCT__sizeof; a dot in a field is written as three underscores.
 */
#define _AMD64_ 1
#define NTDDI_VERSION 0x0A000008
#include <stddef.h>
#include <ntifs.h>
#include <csq.h>

#define F(s, f) const unsigned long long s##__##f = offsetof(s, f);
#define G(s, n, path) const unsigned long long s##__##n = offsetof(s, path);
#define S(s) const unsigned long long s##__sizeof = sizeof(s);

S(UNICODE_STRING) F(UNICODE_STRING, Buffer)
S(DISPATCHER_HEADER) F(DISPATCHER_HEADER, SignalState) F(DISPATCHER_HEADER, WaitListHead)
S(KEVENT) S(KSEMAPHORE) F(KSEMAPHORE, Limit)
S(KMUTANT) F(KMUTANT, MutantListEntry) F(KMUTANT, OwnerThread) F(KMUTANT, ApcDisable)
S(KTIMER) F(KTIMER, DueTime) F(KTIMER, TimerListEntry) F(KTIMER, Dpc) F(KTIMER, Period)
S(KDPC) F(KDPC, DeferredRoutine) F(KDPC, DeferredContext) F(KDPC, SystemArgument1) F(KDPC, DpcData)
S(KAPC) F(KAPC, Thread) F(KAPC, ApcListEntry) F(KAPC, NormalContext) F(KAPC, SystemArgument1) F(KAPC, ApcStateIndex) F(KAPC, ApcMode) F(KAPC, Inserted)
S(KDEVICE_QUEUE) F(KDEVICE_QUEUE, DeviceListHead) F(KDEVICE_QUEUE, Lock)
S(KDEVICE_QUEUE_ENTRY) F(KDEVICE_QUEUE_ENTRY, SortKey) F(KDEVICE_QUEUE_ENTRY, Inserted)
S(KLOCK_QUEUE_HANDLE) F(KLOCK_QUEUE_HANDLE, OldIrql)
S(FAST_MUTEX) F(FAST_MUTEX, Owner) F(FAST_MUTEX, Contention) F(FAST_MUTEX, Event) F(FAST_MUTEX, OldIrql)
S(ERESOURCE) F(ERESOURCE, OwnerTable) F(ERESOURCE, ActiveCount) F(ERESOURCE, Flag) F(ERESOURCE, SharedWaiters) F(ERESOURCE, ContentionCount) F(ERESOURCE, NumberOfSharedWaiters) F(ERESOURCE, SpinLock)
S(GENERAL_LOOKASIDE) F(GENERAL_LOOKASIDE, Depth) F(GENERAL_LOOKASIDE, TotalAllocates) F(GENERAL_LOOKASIDE, Type) F(GENERAL_LOOKASIDE, Tag) F(GENERAL_LOOKASIDE, Size) F(GENERAL_LOOKASIDE, Allocate) F(GENERAL_LOOKASIDE, Free)
F(GENERAL_LOOKASIDE, ListEntry)
S(NPAGED_LOOKASIDE_LIST) S(SLIST_HEADER) S(WORK_QUEUE_ITEM) F(WORK_QUEUE_ITEM, WorkerRoutine) F(WORK_QUEUE_ITEM, Parameter)
S(IO_STATUS_BLOCK) F(IO_STATUS_BLOCK, Information)
S(IRP) F(IRP, MdlAddress) F(IRP, Flags) F(IRP, ThreadListEntry) F(IRP, IoStatus) F(IRP, RequestorMode) F(IRP, PendingReturned) F(IRP, StackCount) F(IRP, CurrentLocation) F(IRP, Cancel) F(IRP, CancelIrql) F(IRP, ApcEnvironment)
F(IRP, AllocationFlags) F(IRP, UserIosb) F(IRP, UserEvent) F(IRP, CancelRoutine) F(IRP, UserBuffer)
G(IRP, SystemBuffer, AssociatedIrp.SystemBuffer) G(IRP, DriverContext, Tail.Overlay.DriverContext) G(IRP, Thread, Tail.Overlay.Thread) G(IRP, AuxiliaryBuffer, Tail.Overlay.AuxiliaryBuffer)
G(IRP, ListEntry, Tail.Overlay.ListEntry) G(IRP, CurrentStackLocation, Tail.Overlay.CurrentStackLocation) G(IRP, OriginalFileObject, Tail.Overlay.OriginalFileObject)
S(IO_STACK_LOCATION) F(IO_STACK_LOCATION, Control) F(IO_STACK_LOCATION, DeviceObject) F(IO_STACK_LOCATION, FileObject) F(IO_STACK_LOCATION, CompletionRoutine) F(IO_STACK_LOCATION, Context)
F(DEVICE_OBJECT, DriverObject) F(DEVICE_OBJECT, NextDevice) F(DEVICE_OBJECT, AttachedDevice) F(DEVICE_OBJECT, CurrentIrp) F(DEVICE_OBJECT, Timer) F(DEVICE_OBJECT, Flags) F(DEVICE_OBJECT, Characteristics)
F(DEVICE_OBJECT, Vpb) F(DEVICE_OBJECT, DeviceExtension) F(DEVICE_OBJECT, DeviceType) F(DEVICE_OBJECT, StackSize) F(DEVICE_OBJECT, AlignmentRequirement) F(DEVICE_OBJECT, DeviceQueue) F(DEVICE_OBJECT, Dpc)
F(DEVICE_OBJECT, ActiveThreadCount) F(DEVICE_OBJECT, SecurityDescriptor) F(DEVICE_OBJECT, DeviceLock) F(DEVICE_OBJECT, SectorSize) F(DEVICE_OBJECT, DeviceObjectExtension)
S(DRIVER_OBJECT) F(DRIVER_OBJECT, DeviceObject) F(DRIVER_OBJECT, DriverStart) F(DRIVER_OBJECT, DriverSize) F(DRIVER_OBJECT, DriverSection) F(DRIVER_OBJECT, DriverExtension) F(DRIVER_OBJECT, DriverName)
F(DRIVER_OBJECT, HardwareDatabase) F(DRIVER_OBJECT, FastIoDispatch) F(DRIVER_OBJECT, DriverInit) F(DRIVER_OBJECT, DriverStartIo) F(DRIVER_OBJECT, DriverUnload) F(DRIVER_OBJECT, MajorFunction)
F(DRIVER_EXTENSION, AddDevice) F(DRIVER_EXTENSION, ServiceKeyName)
S(FILE_OBJECT) F(FILE_OBJECT, DeviceObject) F(FILE_OBJECT, FsContext) F(FILE_OBJECT, FsContext2) F(FILE_OBJECT, FinalStatus) F(FILE_OBJECT, Flags) F(FILE_OBJECT, FileName) F(FILE_OBJECT, CurrentByteOffset)
F(FILE_OBJECT, Waiters) F(FILE_OBJECT, Lock) F(FILE_OBJECT, Event) F(FILE_OBJECT, CompletionContext) F(FILE_OBJECT, IrpList) F(FILE_OBJECT, ReadAccess)
S(MDL) F(MDL, Size) F(MDL, MdlFlags) F(MDL, Process) F(MDL, MappedSystemVa) F(MDL, StartVa) F(MDL, ByteCount) F(MDL, ByteOffset)
S(OBJECT_ATTRIBUTES) F(OBJECT_ATTRIBUTES, ObjectName) F(OBJECT_ATTRIBUTES, Attributes) F(OBJECT_ATTRIBUTES, SecurityDescriptor)
S(IO_CSQ) F(IO_CSQ, CsqInsertIrp) F(IO_CSQ, CsqCompleteCanceledIrp) S(IO_CSQ_IRP_CONTEXT) F(IO_CSQ_IRP_CONTEXT, Irp) F(IO_CSQ_IRP_CONTEXT, Csq)
S(CM_PARTIAL_RESOURCE_DESCRIPTOR) G(CM_PARTIAL_RESOURCE_DESCRIPTOR, Start, u.Generic.Start) G(CM_PARTIAL_RESOURCE_DESCRIPTOR, Length, u.Generic.Length) G(CM_PARTIAL_RESOURCE_DESCRIPTOR, Vector, u.Interrupt.Vector)
G(CM_PARTIAL_RESOURCE_DESCRIPTOR, Affinity, u.Interrupt.Affinity)
F(CM_PARTIAL_RESOURCE_LIST, PartialDescriptors) F(CM_FULL_RESOURCE_DESCRIPTOR, PartialResourceList) F(CM_RESOURCE_LIST, List)
S(IO_RESOURCE_DESCRIPTOR) F(IO_RESOURCE_DESCRIPTOR, Flags) F(IO_RESOURCE_REQUIREMENTS_LIST, List) F(IO_RESOURCE_LIST, Descriptors)
S(DEVICE_CAPABILITIES) F(DEVICE_CAPABILITIES, Address) F(DEVICE_CAPABILITIES, DeviceState) F(DEVICE_CAPABILITIES, D1Latency)
S(DMA_ADAPTER) F(DMA_ADAPTER, DmaOperations) F(DMA_OPERATIONS, PutDmaAdapter) F(DMA_OPERATIONS, AllocateCommonBuffer) F(DMA_OPERATIONS, MapTransfer) F(DMA_OPERATIONS, GetScatterGatherList) F(DMA_OPERATIONS, BuildMdlFromScatterGatherList)
F(DEVICE_DESCRIPTION, BusNumber) F(DEVICE_DESCRIPTION, InterfaceType) F(DEVICE_DESCRIPTION, MaximumLength) F(DEVICE_DESCRIPTION, DmaPort)
S(SCATTER_GATHER_ELEMENT) F(SCATTER_GATHER_ELEMENT, Length)
S(RTL_OSVERSIONINFOEXW) F(RTL_OSVERSIONINFOEXW, szCSDVersion) F(RTL_OSVERSIONINFOEXW, wSuiteMask) S(TIME_FIELDS) S(RTL_BITMAP) F(RTL_BITMAP, Buffer)
S(RTL_AVL_TABLE) F(RTL_AVL_TABLE, RestartKey) F(RTL_AVL_TABLE, CompareRoutine) F(RTL_AVL_TABLE, TableContext)
S(RTL_QUERY_REGISTRY_TABLE) F(RTL_QUERY_REGISTRY_TABLE, Name) F(RTL_QUERY_REGISTRY_TABLE, DefaultData)
S(CONTEXT) F(CONTEXT, ContextFlags) F(CONTEXT, EFlags) F(CONTEXT, Rax) F(CONTEXT, Rip) F(CONTEXT, FltSave) F(CONTEXT, VectorRegister) F(CONTEXT, DebugControl)
S(EXCEPTION_RECORD) F(EXCEPTION_RECORD, ExceptionAddress) F(EXCEPTION_RECORD, ExceptionInformation)
F(KUSER_SHARED_DATA, InterruptTime) F(KUSER_SHARED_DATA, SystemTime) F(KUSER_SHARED_DATA, NtMajorVersion) F(KUSER_SHARED_DATA, NtMinorVersion) F(KUSER_SHARED_DATA, ProcessorFeatures) F(KUSER_SHARED_DATA, KdDebuggerEnabled)
F(KUSER_SHARED_DATA, SuiteMask) F(KUSER_SHARED_DATA, NtProductType) F(KUSER_SHARED_DATA, TickCountMultiplier)
S(SECURITY_DESCRIPTOR) F(SECURITY_DESCRIPTOR, Owner) F(SECURITY_DESCRIPTOR, Dacl) S(ACL) F(ACL, AclSize) F(ACL, AceCount)
F(KEY_VALUE_FULL_INFORMATION, DataOffset) F(KEY_VALUE_FULL_INFORMATION, NameLength)
F(KEY_FULL_INFORMATION, SubKeys) F(KEY_FULL_INFORMATION, MaxValueDataLen)
