import type { TraceEvent } from '../hal/bus/index.ts';

/** One record of the Chrome trace-event format ("Trace Event Format", the JSON that Perfetto and chrome://tracing open). Times are in microseconds. */
export interface ChromeEvent {
  name: string;
  cat?: string;
  /** B and E a slice on a track, i an instant, C a counter, b and e an asynchronous slice, M metadata. */
  ph: 'B' | 'E' | 'X' | 'i' | 'C' | 'b' | 'e' | 'n' | 'M';
  ts: number;
  dur?: number;
  pid: number;
  tid: number;
  id?: string;
  s?: 't';
  args?: { readonly [name: string]: string | number };
}

export interface ChromeTrace {
  traceEvents: ChromeEvent[];
  displayTimeUnit: 'ns';
  otherData: { [name: string]: string | number };
}

const PID = 1;
/** Each processor has a track for what runs at raised IRQL, and one for its threads. */
const TRACKS_PER_CPU = 2;

/**
 * Turns collected events into a trace: IRQL as a counter named `irql`, service routines and DPCs as slices with category `isr` and `dpc`, threads as slices on a
 * track of their own, IRPs as asynchronous slices with category `irp` paired by their address. Slices that were open when the trace ended are closed
 * at its end, and an `end` whose `begin` came before the trace is left out, so that every slice is whole.
 */
export function toChromeTrace(
  events: readonly TraceEvent[],
  options: { tscHz: number; cpus?: number; dropped?: number },
): ChromeTrace {
  const { tscHz, cpus = 1, dropped = 0 } = options;
  // Microseconds with three decimals, exact for the whole numbers of cycles that a double holds.
  const micros = (cycle: number): number => Math.round((cycle * 1e9) / tscHz) / 1000;
  const out: ChromeEvent[] = [{ name: 'process_name', ph: 'M', ts: 0, pid: PID, tid: 0, args: { name: 'kmode' } }];
  for (let cpu = 0; cpu < cpus; cpu++) {
    out.push(threadName(trackOf(cpu, 'isr'), cpus === 1 ? 'interrupts and DPCs' : `cpu ${cpu}: interrupts and DPCs`));
    out.push(threadName(trackOf(cpu, 'thread'), cpus === 1 ? 'threads' : `cpu ${cpu}: threads`));
  }
  const open = new Map<number, ChromeEvent[]>();
  const openAsync = new Map<string, ChromeEvent[]>();
  let end = 0;

  for (const event of events) {
    const ts = micros(event.cycle),
      tid = trackOf(event.cpu, event.kind);
    end = Math.max(end, ts);
    const base = {
      name: event.name,
      cat: event.kind,
      ts,
      pid: PID,
      tid,
      ...(event.args === undefined ? {} : { args: event.args }),
    };
    if (event.kind === 'irql' || event.phase === 'value') {
      const value = event.args?.value ?? 0;
      out.push({
        name: event.kind === 'irql' ? counterName(event.cpu, cpus) : event.name,
        cat: event.kind,
        ph: 'C',
        ts,
        pid: PID,
        tid: 0,
        args: { value },
      });
    } else if (event.phase === 'at') {
      out.push({ ...base, ph: 'i', s: 't' });
    } else if (event.kind === 'irp') {
      // A driver passes an IRP down: slices of one IRP nest, and its completion ends them all.
      const id = event.id ?? event.name,
        stack = openAsync.get(id) ?? [];
      openAsync.set(id, stack);
      if (event.phase === 'begin') {
        const begin: ChromeEvent = { ...base, ph: 'b', id };
        stack.push(begin);
        out.push(begin);
      } else {
        while (stack.length > 0) closeAsync(stack, out, ts, stack.length === 1 ? event.args : undefined);
      }
    } else {
      const stack = open.get(tid) ?? [];
      open.set(tid, stack);
      if (event.phase === 'begin') {
        const begin: ChromeEvent = { ...base, ph: 'B' };
        stack.push(begin);
        out.push(begin);
      } else {
        // Slices of a track nest: an end closes everything that was begun inside of it.
        const at = stack.findLastIndex(b => b.name === event.name && b.cat === event.kind);
        if (at < 0) continue;
        for (let n = stack.length; n > at; n--) closeTop(stack, out, ts, n === at + 1 ? event.args : undefined);
      }
    }
  }
  for (const stack of open.values()) while (stack.length > 0) closeTop(stack, out, end, undefined);
  for (const stack of openAsync.values()) while (stack.length > 0) closeAsync(stack, out, end, undefined);
  return { traceEvents: out, displayTimeUnit: 'ns', otherData: { tscHz, dropped } };
}

function closeTop(stack: ChromeEvent[], out: ChromeEvent[], ts: number, args: ChromeEvent['args']): void {
  const begin = stack.pop();
  if (begin === undefined) return;
  out.push({
    name: begin.name,
    cat: begin.cat,
    ph: 'E',
    ts,
    pid: begin.pid,
    tid: begin.tid,
    ...(args === undefined ? {} : { args }),
  });
}

function closeAsync(stack: ChromeEvent[], out: ChromeEvent[], ts: number, args: ChromeEvent['args']): void {
  const begin = stack.pop();
  if (begin === undefined) return;
  const { name, cat, pid, tid, id } = begin;
  out.push({ name, cat, ph: 'e', ts, pid, tid, id, ...(args === undefined ? {} : { args }) });
}

function trackOf(cpu: number, kind: TraceEvent['kind']): number {
  return 1 + cpu * TRACKS_PER_CPU + (kind === 'thread' ? 1 : 0);
}

function counterName(cpu: number, cpus: number): string {
  return cpus === 1 ? 'irql' : `irql cpu ${cpu}`;
}

function threadName(tid: number, name: string): ChromeEvent {
  return { name: 'thread_name', ph: 'M', ts: 0, pid: PID, tid, args: { name } };
}
