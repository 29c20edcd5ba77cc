/**
 * The rules in plain words, by bug check and subcode: what a person has to know who finds that their driver broke one. The codes are those of the WDK's bug check reference;
 * the words are ours.
 */

/** Which records explain a violation: those about the object that a parameter of the bug check names, of these kinds. */
export interface Evidence {
  /** Parameter, 1 to 4. */
  of: 1 | 2 | 3 | 4;
  /** Any part of the object counts, not only its first byte. */
  inside?: boolean;
}

export interface Rule {
  /** Short name. */
  title: string;
  rule: string;
  mend: string;
  evidence?: readonly Evidence[];
}

const irql = (
  title: string,
  routine: string,
  mend = 'Do it at a lower IRQL: before the spin lock is taken or the IRQL raised, or in a work item.',
): Rule => ({
  title,
  rule: routine,
  mend,
});
const at = (of: 1 | 2 | 3 | 4, inside = false): readonly Evidence[] => [{ of, inside }];

/** By `code:subcode` in hexadecimal, else by `code`. */
export const RULES: { readonly [key: string]: Rule } = {
  '1': {
    title: 'a system service ends in a critical region',
    rule: 'A thread must leave every critical and guarded region that it enters before its system service returns.',
    mend: 'Pair each KeEnterCriticalRegion with a KeLeaveCriticalRegion on every path, the error paths too.',
  },
  '18': {
    title: 'a reference count went below zero',
    rule: 'Each ObDereferenceObject gives back a reference that the same code took before.',
    mend: 'Find the path that dereferences without having referenced, or twice; the stacks of the last dereferences are below.',
    evidence: at(2),
  },
  '19': {
    title: 'the pool is corrupt',
    rule: 'A driver writes only into the bytes that it allocated.',
    mend: 'Look at the allocation before the damaged header, and compare its size with what the driver writes into it.',
    evidence: at(2, true),
  },
  '20': {
    title: 'a thread ends with APCs disabled',
    rule: 'A thread must leave every critical and guarded region before it ends.',
    mend: 'Pair each KeEnterCriticalRegion with a KeLeaveCriticalRegion on every path to PsTerminateSystemThread.',
  },
  '35': {
    title: 'no stack location left',
    rule: 'An IRP has one stack location for each driver that it was allocated for.',
    mend: "Allocate the IRP with the StackSize of the device that it is sent to; a filter's own device has one more than the device below it.",
    evidence: at(1),
  },
  '3b': {
    title: 'an exception that nobody handled',
    rule: 'A driver handles the exceptions that its code can raise.',
    mend: 'Look at the instruction that the report names, and at the values it works on.',
  },
  '44': {
    title: 'an IRP was completed twice',
    rule: 'An IRP is completed exactly once, and belongs to the driver no more afterwards.',
    mend: 'Find the second IoCompleteRequest: often an error path that falls through, or a cancel routine and the normal path that both complete.',
    evidence: at(1),
  },
  '48': {
    title: 'a completed IRP has a cancel routine',
    rule: 'The cancel routine is taken away before an IRP is completed.',
    mend: 'IoSetCancelRoutine(Irp, NULL) before IoCompleteRequest; if it returns NULL the cancel routine completes the IRP.',
    evidence: at(1),
  },
  '4a': {
    title: 'a system service returned with a raised IRQL',
    rule: 'Code returns at the IRQL at which it was called.',
    mend: 'Lower the IRQL on every path; release every spin lock that was acquired.',
  },
  '76': {
    title: 'locked pages',
    rule: 'Pages that MmProbeAndLockPages locked are unlocked exactly once.',
    mend: 'Unlock each MDL once, when the transfer is over and before the process can end.',
    evidence: at(4),
  },
  '7f:8': {
    title: 'the kernel stack is used up',
    rule: 'A thread has 24 KiB of kernel stack; what runs over it ends in a double fault.',
    mend: 'Take large variables off the stack (allocate them from pool), and turn recursion into a loop.',
  },
  '93': {
    title: 'an invalid kernel handle',
    rule: 'A kernel handle is closed once, and not used afterwards.',
    mend: 'Set handle variables to NULL when they are closed, and look for two paths that close the same one.',
    evidence: at(1),
  },
  '0a': irql(
    'memory that must not be touched at this IRQL',
    'At DISPATCH_LEVEL and above only memory that is resident may be touched.',
  ),
  be: {
    title: 'a write to read-only memory',
    rule: 'Code and constants are read-only.',
    mend: 'Copy the data before it is changed; look for a pointer that went wrong.',
  },
  'c1:20': {
    title: 'pool freed twice, or never allocated',
    rule: 'A pool block is freed exactly once.',
    mend: 'Set the pointer to NULL where the block is freed, and find the second path that frees it.',
    evidence: at(1, true),
  },
  'c1:21': {
    title: 'pool freed at another address',
    rule: 'ExFreePool takes the address that the allocation returned.',
    mend: 'Keep the pointer that the allocation returned, and free that.',
    evidence: at(1, true),
  },
  'c1:23': {
    title: 'pool underrun',
    rule: 'A driver writes only into the bytes that it allocated.',
    mend: 'Look for an index below zero, or a pointer that was moved back too far.',
    evidence: at(1, true),
  },
  'c1:24': {
    title: 'pool overrun',
    rule: 'A driver writes only into the bytes that it allocated.',
    mend: 'Compare the size of the allocation below with what is written into it.',
    evidence: at(1, true),
  },
  cc: {
    title: 'pool used after it was freed',
    rule: 'A pool block is not touched after it is freed.',
    mend: 'The kernel touched it for the driver: look at what the block was, and who still has a pointer to it.',
    evidence: at(1, true),
  },
  cd: {
    title: 'pool overrun',
    rule: 'A driver lets the kernel read and write only the bytes that it allocated.',
    mend: 'Compare the size of the allocation below with the length that was passed.',
    evidence: at(1, true),
  },
  d5: {
    title: 'pool used after it was freed',
    rule: 'A pool block is not touched after it is freed.',
    mend: 'Set the pointer to NULL where the block is freed; find out who still has it.',
    evidence: at(1, true),
  },
  d6: {
    title: 'pool overrun',
    rule: 'A driver touches only the bytes that it allocated.',
    mend: 'Compare the size of the allocation below with the index that is used.',
    evidence: at(1, true),
  },
  'c2:7': {
    title: 'pool freed twice',
    rule: 'A pool block is freed exactly once.',
    mend: 'Set the pointer to NULL where the block is freed, and find the second path that frees it.',
    evidence: at(4),
  },
  'c2:a': {
    title: 'pool freed with another tag',
    rule: 'ExFreePoolWithTag takes the tag that the block was allocated with.',
    mend: 'Use one constant for the tag; or the pointer is not the one that this code thinks it is.',
    evidence: at(2),
  },
  c2: {
    title: 'a bad pool call',
    rule: 'Pool routines take what pool routines gave, at the IRQL that the kind of pool allows.',
    mend: 'Look at the address that is freed: where it came from, and who freed it before.',
    evidence: [{ of: 2 }, { of: 4 }],
  },
  'c4:0': irql(
    'an allocation of no bytes',
    'An allocation has at least one byte.',
    'Check the length before it is used; an allocation of 0 bytes wastes memory and hides mistakes.',
  ),
  'c4:1': irql(
    'paged pool at DISPATCH_LEVEL',
    'Paged pool is allocated at IRQL <= APC_LEVEL.',
    'Allocate nonpaged pool, or allocate before the IRQL is raised.',
  ),
  'c4:2': irql(
    'pool above DISPATCH_LEVEL',
    'Pool is allocated at IRQL <= DISPATCH_LEVEL.',
    'Queue a DPC from the interrupt routine and allocate there, or allocate beforehand.',
  ),
  'c4:11': irql('paged pool freed at DISPATCH_LEVEL', 'Paged pool is freed at IRQL <= APC_LEVEL.'),
  'c4:12': irql('pool freed above DISPATCH_LEVEL', 'Pool is freed at IRQL <= DISPATCH_LEVEL.'),
  'c4:30': irql(
    'KeRaiseIrql that lowers',
    'KeRaiseIrql raises the IRQL or leaves it; KeLowerIrql lowers it.',
    'Look at the value: most often the variable was never set.',
  ),
  'c4:31': irql(
    'KeLowerIrql that raises',
    'KeLowerIrql goes back to the IRQL that KeRaiseIrql returned; a DPC routine stays at DISPATCH_LEVEL.',
    'Pass the value that KeRaiseIrql or KeAcquireSpinLock stored.',
  ),
  'c4:32': irql(
    'a spin lock released below DISPATCH_LEVEL',
    'KeReleaseSpinLock is called at DISPATCH_LEVEL, where acquiring the lock has led.',
    'Look for a second release, or for code in between that lowers the IRQL.',
  ),
  'c4:33': irql('a fast mutex at DISPATCH_LEVEL', 'A fast mutex is acquired at IRQL <= APC_LEVEL: its acquisition may wait.'),
  'c4:34': irql(
    'a fast mutex released at another IRQL',
    'A fast mutex is released at APC_LEVEL, where acquiring it has led.',
    'Look for code between acquire and release that changes the IRQL.',
  ),
  'c4:37': irql(
    'a resource without a critical region',
    'ERESOURCEs are acquired with normal kernel APCs disabled: a suspended owner would hold it for ever.',
    'KeEnterCriticalRegion before ExAcquireResource..., KeLeaveCriticalRegion after ExReleaseResource...',
  ),
  'c4:38': irql(
    'a resource released outside of a critical region',
    'An ERESOURCE is released before the critical region is left.',
    'KeLeaveCriticalRegion after ExReleaseResource..., not before.',
  ),
  'c4:39': irql(
    'an unsafe fast mutex at the wrong IRQL',
    'ExAcquireFastMutexUnsafe is called in a critical region or at APC_LEVEL.',
  ),
  'c4:3e': {
    title: 'a region is left that was not entered',
    rule: 'KeLeaveCriticalRegion and KeLeaveGuardedRegion are called by a thread that entered such a region.',
    mend: 'Pair the calls on every path.',
  },
  'c4:3f': {
    title: 'an object that is gone',
    rule: 'An object with a reference count of zero is being deleted, and must be neither referenced nor dereferenced.',
    mend: 'Keep a reference for as long as the pointer is used; the last dereferences are below.',
    evidence: at(2),
  },
  'c4:40': irql(
    'a spin lock "AtDpcLevel" below DISPATCH_LEVEL',
    'KeAcquireSpinLockAtDpcLevel does not raise the IRQL, so the caller is at DISPATCH_LEVEL already.',
    'Call KeAcquireSpinLock.',
  ),
  'c4:41': irql(
    'a spin lock released "FromDpcLevel" below DISPATCH_LEVEL',
    'KeReleaseSpinLockFromDpcLevel is called at DISPATCH_LEVEL or above.',
    'Release the lock with the routine that goes with how it was acquired.',
  ),
  'c4:42': irql(
    'a spin lock above its IRQL',
    'KeAcquireSpinLock is called at IRQL <= DISPATCH_LEVEL: it would lower the IRQL.',
    'In an interrupt routine use the interrupt spin lock (KeAcquireInterruptSpinLock), or queue a DPC.',
  ),
  'c4:62': {
    title: 'memory left behind at unload',
    rule: 'A driver gives back all that it allocated before its DriverUnload returns.',
    mend: 'Free what is listed below, each where its life ends; the stacks say who allocated it.',
  },
  'c4:7c': {
    title: 'pages unlocked that are not locked',
    rule: 'MmUnlockPages undoes one MmProbeAndLockPages.',
    mend: 'Look for the second unlock, or for a lock that failed.',
    evidence: at(2),
  },
  'c4:7d': {
    title: 'nonpaged pool unlocked',
    rule: 'An MDL of MmBuildMdlForNonPagedPool was never locked.',
    mend: 'Only free this MDL with IoFreeMdl.',
    evidence: at(2),
  },
  'c4:7f': {
    title: 'an MDL over paged pool as nonpaged',
    rule: 'MmBuildMdlForNonPagedPool is for memory that is always resident.',
    mend: 'MmProbeAndLockPages for pageable memory, or allocate the buffer from nonpaged pool.',
    evidence: at(3),
  },
  'c4:80': irql(
    'KeSetEvent above DISPATCH_LEVEL',
    'An event is set at IRQL <= DISPATCH_LEVEL (<= APC_LEVEL if Wait is TRUE).',
    'Queue a DPC from the interrupt routine and set the event there.',
  ),
  'c4:81': {
    title: 'MmMapLockedPages',
    rule: 'MmMapLockedPages stops the machine when no address space is left.',
    mend: 'MmGetSystemAddressForMdlSafe, and a check for NULL.',
    evidence: at(2),
  },
  'c4:82': {
    title: 'a mapping that may not fail',
    rule: 'MmMapLockedPagesSpecifyCache is called with BugCheckOnFailure FALSE.',
    mend: 'MmGetSystemAddressForMdlSafe, and a check for NULL.',
    evidence: at(2),
  },
  'c4:b0': {
    title: 'an MDL locked twice',
    rule: 'MmProbeAndLockPages takes an MDL that is neither locked nor over nonpaged pool.',
    mend: 'Unlock it before it is used again; an MDL of nonpaged pool needs no lock.',
    evidence: at(2),
  },
  'c4:b2': {
    title: 'an MDL mapped twice',
    rule: 'An MDL has one mapping into system space.',
    mend: 'MmGetSystemAddressForMdlSafe returns the mapping that there is.',
    evidence: at(2),
  },
  'c4:b3': {
    title: 'an MDL mapped that is not locked',
    rule: 'The pages of an MDL are locked before they are mapped.',
    mend: 'MmProbeAndLockPages or MmBuildMdlForNonPagedPool comes first.',
    evidence: at(2),
  },
  'c4:b4': {
    title: 'a partial MDL unlocked',
    rule: 'The pages of a partial MDL belong to the MDL that it was built from.',
    mend: 'Unlock the source MDL.',
    evidence: at(2),
  },
  'c4:b8': {
    title: 'an MDL freed in use',
    rule: 'An MDL is unmapped and its pages are unlocked before IoFreeMdl.',
    mend: 'MmUnlockPages (which unmaps too), then IoFreeMdl.',
    evidence: at(2),
  },
  'c4:c0': irql(
    'interrupts disabled in IoCallDriver',
    'Drivers are called with interrupts enabled.',
    'Enable interrupts; a driver has no business with CLI.',
  ),
  'c4:c1': irql(
    'a dispatch routine that disables interrupts',
    'A dispatch routine returns with interrupts enabled.',
    'Look for _disable without _enable.',
  ),
  'c4:c5': {
    title: 'a dispatch routine that keeps a critical region',
    rule: 'A dispatch routine leaves the regions that it enters: critical, guarded, mutexes.',
    mend: 'Pair the calls on every path of the routine.',
  },
  'c4:ca': {
    title: 'a lookaside list initialized twice',
    rule: 'A lookaside list is deleted before it is initialized again.',
    mend: 'Initialize it once, in DriverEntry or AddDevice.',
    evidence: at(2),
  },
  'c4:cb': {
    title: 'a lookaside list that is none',
    rule: 'A lookaside list that is deleted was initialized, and is deleted once.',
    mend: 'Delete only what was initialized; error paths often do not know.',
    evidence: at(2),
  },
  'c4:cc': {
    title: 'a lookaside list in freed memory',
    rule: 'A lookaside list is deleted before its memory is freed.',
    mend: 'ExDeleteNPagedLookasideList before the device extension or block goes.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'c4:d0': {
    title: 'a resource initialized twice',
    rule: 'An ERESOURCE is deleted before it is initialized again: it is in a list of the system.',
    mend: 'Initialize it once, or ExReinitializeResourceLite.',
    evidence: at(2),
  },
  'c4:d1': {
    title: 'a resource that is none',
    rule: 'An ERESOURCE that is deleted was initialized, and is deleted once.',
    mend: 'Delete only what was initialized.',
    evidence: at(2),
  },
  'c4:d2': {
    title: 'a resource in freed memory',
    rule: 'An ERESOURCE is deleted before its memory is freed: it is in a list of the system.',
    mend: 'ExDeleteResourceLite before the memory goes.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'c4:e6': irql(
    'a system service above PASSIVE_LEVEL',
    'ZwXxx routines are called at PASSIVE_LEVEL with special kernel APCs enabled.',
    'Do it in a work item, or before the lock is taken.',
  ),
  'c4:f5': irql(
    'a NULL handle',
    'ObReferenceObjectByHandle takes a handle that is open.',
    'Check the status of the call that was to give the handle.',
  ),
  'c4:fa': irql(
    'a completion routine that changes the IRQL',
    'A completion routine returns at the IRQL at which it was called.',
    'Release the spin locks that the routine acquires.',
  ),
  'c4:fb': irql(
    'a completion routine that keeps a critical region',
    'A completion routine leaves the regions that it enters.',
    'Pair the calls on every path of the routine.',
  ),
  'c4:105': {
    title: 'an IRP freed as pool',
    rule: 'IRPs of IoAllocateIrp are freed by IoFreeIrp.',
    mend: 'Call IoFreeIrp.',
    evidence: at(2),
  },
  'c4:11a': irql(
    'a critical region at DISPATCH_LEVEL',
    'KeEnterCriticalRegion is called at IRQL <= APC_LEVEL.',
    'At DISPATCH_LEVEL no APC can come: the call is not needed.',
  ),
  'c4:11b': irql(
    'a critical region left at DISPATCH_LEVEL',
    'KeLeaveCriticalRegion is called at IRQL <= APC_LEVEL.',
    'Lower the IRQL (release the spin lock) before the region is left.',
  ),
  'c4:120': irql('a wait above DISPATCH_LEVEL', 'Nobody waits above DISPATCH_LEVEL.'),
  'c4:121': irql(
    'a wait at DISPATCH_LEVEL',
    'A thread waits at IRQL <= APC_LEVEL; at DISPATCH_LEVEL only a timeout of zero is allowed.',
  ),
  'c4:122': irql(
    'a wait at DISPATCH_LEVEL',
    'A thread waits at IRQL <= APC_LEVEL; at DISPATCH_LEVEL only a timeout of zero is allowed.',
  ),
  'c4:140': {
    title: 'an MDL over pageable memory that is not locked',
    rule: 'MmBuildMdlForNonPagedPool is for nonpaged pool only.',
    mend: 'MmProbeAndLockPages, in a handler for its exception.',
    evidence: at(3),
  },
  'c4:1000': {
    title: 'a lock acquired by its owner',
    rule: 'Spin locks and fast mutexes are not recursive: who holds one must not acquire it again.',
    mend: 'Split the routine into one that takes the lock and one that expects it to be held.',
    evidence: at(2),
  },
  'c4:1001': {
    title: 'locks taken in two orders',
    rule: 'Locks that are held together are always acquired in the same order: else two threads can wait for each other for ever.',
    mend: 'Choose one order for the two locks and keep to it everywhere.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'c4:1004': {
    title: 'a lock released by another thread',
    rule: 'A lock is released by the thread that acquired it.',
    mend: 'Use an event or a semaphore where one thread lets another go on.',
    evidence: at(2),
  },
  'c4:1005': {
    title: 'a held lock initialized',
    rule: 'A lock is initialized once, before it is used.',
    mend: 'Initialize it where its memory is allocated.',
    evidence: at(2),
  },
  'c4:1007': {
    title: 'a lock released that nobody holds',
    rule: 'A lock is released once for each time that it was acquired.',
    mend: 'Look for the second release, or for the wrong lock.',
    evidence: at(2),
  },
  'c4:100a': {
    title: 'a thread ends with a lock',
    rule: 'A thread releases what it holds before it ends.',
    mend: 'Release the lock on every way out of the thread.',
    evidence: at(3),
  },
  'c4:100b': {
    title: 'a held lock in memory that goes',
    rule: 'A lock is released before its memory is freed, and before it is deleted.',
    mend: 'Release it first; find out who still holds it by the stack below.',
    evidence: at(2),
  },
  c4: irql(
    'a call at the wrong IRQL',
    'Each routine of the kernel has a range of IRQLs at which it may be called; the text names it.',
  ),
  'c7:0': {
    title: 'a timer in freed memory',
    rule: 'A timer is cancelled before its memory is freed: the clock would write into it.',
    mend: 'KeCancelTimer, and KeFlushQueuedDpcs if it has a DPC, before the memory goes.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'c7:1': {
    title: 'a queued DPC in freed memory',
    rule: 'A DPC is out of its queue before its memory is freed.',
    mend: 'KeRemoveQueueDpc or KeFlushQueuedDpcs before the memory goes.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'c7:4': {
    title: 'a DPC routine that keeps a critical region',
    rule: 'A DPC routine leaves the regions that it enters.',
    mend: 'DPC routines have no use for critical regions: remove the call.',
  },
  c8: irql(
    'an unexpected IRQL',
    'Code returns at the IRQL at which it was called.',
    'Lower the IRQL on every path; release every spin lock.',
  ),
  'c9:1': {
    title: 'IoFreeIrp of something that is no IRP',
    rule: 'IoFreeIrp takes an IRP of IoAllocateIrp, once.',
    mend: 'Look for the first IoFreeIrp, or for an IRP that the I/O manager frees itself.',
    evidence: at(2),
  },
  'c9:2': {
    title: 'an IRP freed that is linked to a thread',
    rule: 'The I/O manager frees the IRPs that it links to a thread (IoBuildSynchronousFsdRequest, IoBuildDeviceIoControlRequest).',
    mend: 'Complete such an IRP instead of freeing it.',
    evidence: at(2),
  },
  'c9:3': {
    title: 'IoCallDriver without an IRP',
    rule: 'IoCallDriver takes an IRP that is not completed and not freed.',
    mend: 'Look for who completed or freed it before.',
    evidence: at(2),
  },
  'c9:4': {
    title: 'IoCallDriver without a device',
    rule: 'IoCallDriver takes a device object that exists.',
    mend: 'Use the device that IoAttachDeviceToDeviceStack returned, while it is attached.',
    evidence: at(2),
  },
  'c9:5': irql(
    'a dispatch routine that changes the IRQL',
    'A dispatch routine returns at the IRQL at which it was called.',
    'Lower the IRQL on every path; release every spin lock that was acquired.',
  ),
  'c9:6': {
    title: 'completed as pending',
    rule: 'IoStatus.Status is final when an IRP is completed: neither STATUS_PENDING nor -1.',
    mend: 'Set Irp->IoStatus.Status before IoCompleteRequest.',
    evidence: at(3),
  },
  'c9:7': {
    title: 'completed with a cancel routine',
    rule: 'The cancel routine is taken away before an IRP is completed.',
    mend: 'IoSetCancelRoutine(Irp, NULL) first; if it returns NULL the cancel routine runs and completes the IRP.',
    evidence: at(3),
  },
  'c9:a': {
    title: 'a device timer initialized twice',
    rule: 'IoInitializeTimer is called once for a device.',
    mend: 'Call it where the device is created.',
  },
  'c9:e': irql(
    'completed above DISPATCH_LEVEL',
    'IoCompleteRequest is called at IRQL <= DISPATCH_LEVEL.',
    'Queue a DPC from the interrupt routine (IoRequestDpc) and complete there.',
  ),
  'c9:10': irql(
    'IoCallDriver above DISPATCH_LEVEL',
    'IoCallDriver is called at IRQL <= DISPATCH_LEVEL.',
    'Queue a DPC from the interrupt routine and send the IRP there.',
  ),
  'c9:203': {
    title: 'passed down with a cancel routine',
    rule: 'A driver takes its cancel routine out of an IRP before it passes the IRP on.',
    mend: 'IoSetCancelRoutine(Irp, NULL) before IoCallDriver.',
    evidence: at(3),
  },
  'c9:204': {
    title: 'IoCallDriver with NULL',
    rule: 'IoCallDriver takes a device object.',
    mend: 'Check what IoAttachDeviceToDeviceStack returned.',
    evidence: at(3),
  },
  'c9:224': {
    title: 'two different statuses',
    rule: 'A dispatch routine that completes an IRP returns the status that it completed it with.',
    mend: 'Keep the status in a variable: set IoStatus.Status from it, complete, return it.',
    evidence: at(3),
  },
  'c9:225': {
    title: 'a status that is none',
    rule: 'A dispatch routine returns an NTSTATUS.',
    mend: 'Set the variable on every path.',
    evidence: at(3),
  },
  'c9:226': {
    title: 'an IRP is lost',
    rule: 'A dispatch routine completes the IRP, passes it on, or marks it pending and returns STATUS_PENDING.',
    mend: 'Complete the IRP on every path; or IoMarkIrpPending, queue it, and return STATUS_PENDING.',
    evidence: at(3),
  },
  'c9:228': {
    title: 'a completion routine drops the pending mark',
    rule: 'A completion routine that returns STATUS_CONTINUE_COMPLETION marks the IRP pending if Irp->PendingReturned is set.',
    mend: 'if (Irp->PendingReturned) IoMarkIrpPending(Irp);',
    evidence: at(3),
  },
  'c9:23d': {
    title: 'STATUS_PENDING without the mark',
    rule: 'A dispatch routine that returns STATUS_PENDING has called IoMarkIrpPending.',
    mend: 'IoMarkIrpPending before the IRP is queued or passed on.',
    evidence: at(3),
  },
  'c9:23e': {
    title: 'the mark without STATUS_PENDING',
    rule: 'A dispatch routine that has called IoMarkIrpPending returns STATUS_PENDING.',
    mend: 'Return STATUS_PENDING, also when the IRP was completed in the meantime.',
    evidence: at(3),
  },
  ce: {
    title: 'unloaded with work left',
    rule: 'All threads, timers, DPCs, work items and callbacks of a driver have ended before its DriverUnload returns.',
    mend: 'Tell the thread to end, and wait for the thread object in DriverUnload; cancel timers and flush DPCs.',
    evidence: at(1),
  },
  d1: irql(
    'memory that must not be touched at this IRQL',
    'At DISPATCH_LEVEL and above only memory that is resident may be touched; an address that is not mapped never.',
  ),
  'e4:0': {
    title: 'a queued work item in freed memory',
    rule: 'A work item stays until its routine has run.',
    mend: 'Free it in the routine itself, or wait for the routine.',
    evidence: [{ of: 2 }, { of: 3 }],
  },
  'e4:2': {
    title: 'a work item queued twice',
    rule: 'A work item is queued again only after its routine has started.',
    mend: 'Keep a flag, or one work item for each piece of work.',
    evidence: at(2),
  },
  'e6:3': {
    title: 'a common buffer freed twice',
    rule: 'A common buffer is freed once, to the adapter that it came from.',
    mend: 'Look for the first FreeCommonBuffer below.',
    evidence: at(4),
  },
  'e6:7': {
    title: 'an adapter put back with common buffers',
    rule: 'The common buffers of an adapter are freed before PutDmaAdapter.',
    mend: 'FreeCommonBuffer for each of the buffers below.',
    evidence: at(2),
  },
  'e6:9': {
    title: 'an adapter put back with map registers',
    rule: 'The map registers of an adapter are freed before PutDmaAdapter.',
    mend: 'FreeMapRegisters first.',
    evidence: at(2),
  },
  'e6:a': {
    title: 'an adapter put back with scatter/gather lists',
    rule: 'The scatter/gather lists of an adapter are put back before PutDmaAdapter.',
    mend: 'PutScatterGatherList first.',
    evidence: at(2),
  },
  'e6:d': {
    title: 'buffers not flushed',
    rule: 'FlushAdapterBuffers comes after each transfer, before the map registers are freed.',
    mend: 'Call it when the device has interrupted.',
    evidence: at(2),
  },
  'e6:e': {
    title: 'DMA into memory that is not locked',
    rule: 'The pages of a transfer are locked.',
    mend: 'MmProbeAndLockPages, or direct I/O (DO_DIRECT_IO).',
    evidence: at(2),
  },
  'e6:18': {
    title: 'an adapter that is gone',
    rule: 'An adapter is not used after PutDmaAdapter.',
    mend: 'Put it back last, when the device is removed.',
    evidence: at(2),
  },
  'e6:19': {
    title: 'no adapter',
    rule: 'DMA routines take the adapter that IoGetDmaAdapter returned.',
    mend: 'Check for NULL: IoGetDmaAdapter can fail.',
  },
  'e6:1b': {
    title: 'an address outside of the MDL',
    rule: 'MapTransfer takes an address of the MDL (MmGetMdlVirtualAddress and on).',
    mend: 'Start with MmGetMdlVirtualAddress(Mdl), not with a mapped address.',
    evidence: at(3),
  },
  'e6:1e': { title: 'HalGetAdapter', rule: 'HalGetAdapter is obsolete.', mend: 'Call IoGetDmaAdapter.' },
  'e6:20': {
    title: 'flushed without a transfer',
    rule: 'FlushAdapterBuffers belongs to a MapTransfer.',
    mend: 'Flush once for each transfer.',
    evidence: at(2),
  },
  'e6:21': {
    title: 'a transfer of no bytes',
    rule: 'A transfer has at least one byte.',
    mend: 'Complete requests of length 0 before DMA is set up.',
  },
  '133': {
    title: 'too long at DISPATCH_LEVEL',
    rule: 'A DPC or interrupt routine ends soon, and nobody stays at DISPATCH_LEVEL for long.',
    mend: 'Do long work in a thread or work item; look at the loop that the stack shows.',
  },
};

/** The rule of a bug check: its first parameter tells the violations of one code apart, but for special pool's, whose last does. */
export function ruleOf(code: number, parameters: readonly bigint[]): { key: string; rule: Rule } | null {
  const subcode = parameters[code === 0xc1 ? 3 : 0]!;
  const exact = `${code.toString(16)}:${subcode.toString(16)}`;
  for (const key of [exact, code.toString(16), `0${code.toString(16)}`]) {
    const rule = RULES[key];
    if (rule !== undefined) return { key, rule };
  }
  return null;
}
