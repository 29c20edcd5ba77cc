/**
 * The rules in plain words, by bug check and subcode: what a person has to know who finds that their driver broke one. The codes are those of the WDK's bug check reference;
 * the words are ours.
 */

import { at, irql, type Rule } from './rule.ts';
import { VIOLATIONS } from './violations.ts';

export type { Evidence, Rule } from './rule.ts';

/** By `code:subcode` in hexadecimal, else by `code`. */
export const RULES: { readonly [key: string]: Rule } = {
  ...VIOLATIONS,
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
  'c9:201': {
    title: 'a device deleted while it is attached',
    rule: 'A device is detached from the one below it before it is deleted.',
    mend: 'IoDetachDevice with what IoAttachDeviceToDeviceStack returned, then IoDeleteDevice.',
    evidence: at(4),
  },
  'c9:202': {
    title: 'detached from nothing',
    rule: 'IoDetachDevice takes the device below, while another one is attached to it.',
    mend: 'Detach once, from the device that IoAttachDeviceToDeviceStack returned.',
    evidence: at(4),
  },
  'c9:240': {
    title: 'a device deleted twice',
    rule: 'A device is deleted once; it stays in memory for as long as somebody refers to it.',
    mend: 'Set the pointer to NULL where the device is deleted, and find the second path that deletes it.',
    evidence: at(4),
  },
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
    mend: 'In DriverUnload take back every registration, cancel timers and flush DPCs, and wait for the threads that were told to end.',
    evidence: [{ of: 1 }, { of: 4 }],
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
  'e6:5': {
    title: 'map registers freed twice',
    rule: 'Map registers are freed once.',
    mend: 'Look for the first FreeMapRegisters below.',
    evidence: at(4),
  },
  'e6:6': {
    title: 'a scatter/gather list put back twice',
    rule: 'A scatter/gather list is put back once, when its transfer is over.',
    mend: 'Look for the first PutScatterGatherList below.',
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
