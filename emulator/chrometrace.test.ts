import { describe, expect, it } from 'vitest';
import type { TraceEvent } from '../hal/bus/index.ts';
import { toChromeTrace } from './chrometrace.ts';
import type { ChromeEvent } from './chrometrace.ts';
import { busyMachine } from './testing/longmode.ts';
import { TraceCollector } from './trace.ts';

const event = (
  cycle: number,
  kind: TraceEvent['kind'],
  phase: TraceEvent['phase'],
  name: string,
  more: Partial<TraceEvent> = {},
): TraceEvent => ({ cycle, cpu: 0, kind, phase, name, ...more });
const convert = (events: TraceEvent[]): ChromeEvent[] =>
  toChromeTrace(events, { tscHz: 100_000_000 }).traceEvents.filter(e => e.ph !== 'M');

/** Slices as `name start-end`, checking that each track nests as the format demands. */
function slices(events: ChromeEvent[]): string[] {
  const open = new Map<string, ChromeEvent[]>(),
    out: string[] = [];
  for (const e of events) {
    if (!'BEbe'.includes(e.ph)) continue;
    const track = e.ph === 'b' || e.ph === 'e' ? `async ${e.cat} ${e.id}` : String(e.tid),
      stack = open.get(track) ?? [];
    open.set(track, stack);
    if (e.ph === 'B' || e.ph === 'b') stack.push(e);
    else {
      const begin = stack.pop();
      expect(begin?.name).toBe(e.name);
      out.push(`${e.cat} ${e.name} ${begin?.ts}-${e.ts}`);
    }
  }
  for (const stack of open.values()) expect(stack).toEqual([]);
  return out;
}

describe('toChromeTrace', () => {
  it('makes IRQL a counter, routines slices and IRPs asynchronous slices, in microseconds', () => {
    const out = convert([
      event(100, 'irql', 'value', 'irql', { args: { value: 9 } }),
      event(110, 'isr', 'begin', 'edu!EduIsr'),
      event(210, 'isr', 'end', 'edu!EduIsr'),
      event(215, 'irql', 'value', 'irql', { args: { value: 2 } }),
      event(220, 'dpc', 'begin', 'edu!EduDpc'),
      event(225, 'irp', 'end', 'IRP_MJ_DEVICE_CONTROL', { id: 'ffff8000' }),
      event(250, 'dpc', 'end', 'edu!EduDpc'),
    ]);
    expect(out.filter(e => e.ph === 'C')).toMatchObject([
      { name: 'irql', ts: 1, args: { value: 9 } },
      { name: 'irql', ts: 2.15, args: { value: 2 } },
    ]);
    // The IRP began before the trace: half of a slice says nothing.
    expect(slices(out)).toEqual(['isr edu!EduIsr 1.1-2.1', 'dpc edu!EduDpc 2.2-2.5']);
  });

  it('pairs IRPs by address, also when they overlap', () => {
    const irp = (cycle: number, phase: 'begin' | 'end', id: string): TraceEvent =>
      event(cycle, 'irp', phase, `read ${id}`, { id });
    expect(slices(convert([irp(100, 'begin', 'a'), irp(200, 'begin', 'b'), irp(300, 'end', 'a'), irp(400, 'end', 'b')]))).toEqual(
      ['irp read a 1-3', 'irp read b 2-4'],
    );
  });

  it('nests the drivers that an IRP goes through, and ends them with its completion', () => {
    const out = convert([
      event(100, 'irp', 'begin', 'edu!IRP_MJ_PNP', { id: 'a' }),
      event(200, 'irp', 'begin', 'pci!IRP_MJ_PNP', { id: 'a' }),
      event(300, 'irp', 'end', 'IRP', { id: 'a', args: { status: 0 } }),
    ]);
    expect(slices(out)).toEqual(['irp pci!IRP_MJ_PNP 2-3', 'irp edu!IRP_MJ_PNP 1-3']);
    expect(out.at(-1)).toMatchObject({ name: 'edu!IRP_MJ_PNP', ph: 'e', args: { status: 0 } });
  });

  it('closes what is open: inside of an end, and at the end of the trace', () => {
    const out = convert([
      event(100, 'isr', 'begin', 'a!Isr'),
      event(200, 'dpc', 'begin', 'a!Inner'),
      event(300, 'isr', 'end', 'a!Isr'),
      event(400, 'irp', 'begin', 'r', { id: '1' }),
      event(500, 'irp', 'begin', 'r', { id: '1' }),
      event(600, 'thread', 'begin', 'System'),
      event(700, 'debug', 'at', 'hello'),
    ]);
    expect(slices(out)).toEqual(['dpc a!Inner 2-3', 'isr a!Isr 1-3', 'thread System 6-7', 'irp r 5-7', 'irp r 4-7']);
  });

  it('is JSON that carries nothing undefined', () => {
    const text = JSON.stringify(toChromeTrace([event(5, 'debug', 'at', 'x')], { tscHz: 3 }));
    expect(JSON.parse(text).traceEvents.at(-1)).toMatchObject({ name: 'x', ph: 'i', ts: 1_666_666.667 });
  });
});

describe('TraceCollector', () => {
  it('sees interrupts of a running machine, and only while it listens', () => {
    const machine = busyMachine(),
      trace = new TraceCollector(machine);
    machine.run(20_000);
    const names = new Set(trace.events.filter(e => e.kind === 'interrupt').map(e => e.name));
    expect(names).toEqual(new Set(['vector 0x40', 'vector 0x51']));
    expect(trace.events.filter(e => e.name === 'vector 0x40').length).toBe(machine.ram.read32(0x18000));
    trace.stop();
    const before = trace.events.length;
    machine.run(40_000);
    expect(trace.events.length).toBe(before);
  });

  it('keeps the newest when there are too many, and says how many are gone', () => {
    const machine = busyMachine(),
      trace = new TraceCollector(machine, { limit: 10 });
    machine.run(60_000);
    expect(trace.events.length).toBeLessThanOrEqual(10);
    expect(trace.dropped).toBeGreaterThan(10);
    expect(trace.events[trace.events.length - 1].cycle).toBeGreaterThan(50_000);
  });

  it('does not hear of the past twice', () => {
    const machine = busyMachine(),
      trace = new TraceCollector(machine);
    machine.replaying = true;
    machine.run(20_000);
    expect(trace.events.filter(e => e.kind === 'interrupt')).toEqual([]);
  });
});
