/** The console on COM1: kernel/console has what its routines do. */
import { startConsole, consoleWork } from '../console/thread.ts';
import { uartInitialize, uartService } from '../console/uart.ts';
import { keSetEvent } from '../ke/event.ts';
import { psCreateSystemThread } from '../ps/thread.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { BOOLEAN, type NtExport, ntExport, ntSteps, NTSTATUS, PVOID, VOID } from './declare.ts';

/** Above what ordinary threads have, so that the prompt answers while a driver's thread computes. */
const CONSOLE_PRIORITY = 12;

export const exports: NtExport[] = [
  ntExport({
    name: 'ConInitialize',
    internal: true,
    doc: 'Phase 1 of the console: programs the UART at COM1, connects its interrupt, starts the thread. Without a UART there is no console.',
    args: {},
    returns: NTSTATUS,
    cycles: 3000,
    status: 'full',
    impl(k) {
      if (!uartInitialize(k)) return STATUS_SUCCESS;
      const system = k.mem.readPtr(k.address('nt!PsInitialSystemProcess'));
      return psCreateSystemThread(k, system, k.address('nt!ConThread'), 0, CONSOLE_PRIORITY) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
    },
  }),
  ntExport({
    name: 'ConInterruptService',
    internal: true,
    doc: 'Interrupt service routine of COM1: takes what was received, refills the transmit FIFO, and lets the thread know through a DPC.',
    args: { Interrupt: PVOID, ServiceContext: PVOID },
    returns: BOOLEAN,
    cycles: 30,
    status: 'full',
    impl: k => uartService(k),
  }),
  ntExport({
    name: 'ConDpcRoutine',
    internal: true,
    doc: 'DPC of the console: wakes its thread.',
    args: { Dpc: PVOID, Context: PVOID, Argument1: PVOID, Argument2: PVOID },
    returns: VOID,
    cycles: 60,
    status: 'full',
    impl(k) {
      keSetEvent(k, k.global.address('ConEvent'), 1);
    },
  }),
  ntSteps({
    name: 'ConThread',
    internal: true,
    doc: "The console's thread: edits lines, carries out commands, sends their output.",
    args: { StartContext: PVOID },
    returns: VOID,
    cycles: 100,
    status: 'full',
    frame: {},
    steps: { start: k => startConsole(k), work: k => consoleWork(k) },
  }),
];
