/** Brings the requester up: its process, its first thread, and the interrupt of the request port. */
import { REQUEST_PORT_PIN } from '../../hal/bus/requests.ts';
import { keInitializeDpc, keInsertQueueDpc } from '../ke/dpc.ts';
import { keInitializeEvent, keSetEvent } from '../ke/event.ts';
import { connectInterrupt, interruptVector } from '../ke/interrupt.ts';
import { psCreateSystemProcess } from '../ps/process.ts';
import { psCreateUserProcess } from '../ps/user.ts';
import { initializeListHead } from '../rtl/list.ts';
import { LevelSensitive } from '../types/ke.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, NTSTATUS, PVOID, VOID } from '../exports/declare.ts';
import { maskPort, portPending, portPresent } from './port.ts';
import { startRequester } from './thread.ts';
import { requesterImage } from './user.ts';

const SynchronizationEvent = 1;

export const exports: NtExport[] = [
  ntExport({
    name: 'ReqInitialize',
    internal: true,
    doc: 'Phase 1 of the requester: process, thread, interrupt.',
    args: {},
    returns: NTSTATUS,
    cycles: 5000,
    status: 'full',
    impl(k) {
      if (!portPresent(k)) return STATUS_SUCCESS;
      keInitializeEvent(k, k.global.address('ReqEvent'), SynchronizationEvent, false);
      keInitializeDpc(k, k.global.address('ReqDpc'), k.address('nt!ReqDpcRoutine'), 0);
      initializeListHead(k.mem, k.global.address('ReqRecordListHead'));
      const process =
        k.config.requester === 'kernel' ? psCreateSystemProcess(k, 'requester') : psCreateUserProcess(k, requesterImage(k));
      if (!process) return STATUS_INSUFFICIENT_RESOURCES;
      k.global.set('ReqProcess', process);
      if (!startRequester(k)) return STATUS_INSUFFICIENT_RESOURCES;
      const { vector, irql } = interruptVector(k, REQUEST_PORT_PIN);
      const interrupt = connectInterrupt(k, {
        vector,
        irql,
        mode: LevelSensitive,
        serviceRoutine: k.address('nt!ReqInterruptService'),
        context: 0,
        shareVector: false,
      });
      return interrupt ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'ReqInterruptService',
    internal: true,
    doc: 'Interrupt service routine of the request port: holds the line back and leaves the rest to a DPC.',
    args: { Interrupt: PVOID, ServiceContext: PVOID },
    returns: BOOLEAN,
    cycles: 60,
    status: 'full',
    impl(k) {
      if (!portPending(k)) return false;
      maskPort(k, true);
      keInsertQueueDpc(k, k.global.address('ReqDpc'), 0, 0);
      return true;
    },
  }),
  ntExport({
    name: 'ReqDpcRoutine',
    internal: true,
    doc: 'DPC of the request port: wakes a requester thread.',
    args: { Dpc: PVOID, Context: PVOID, Argument1: PVOID, Argument2: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k) {
      keSetEvent(k, k.global.address('ReqEvent'), 1);
    },
  }),
];
