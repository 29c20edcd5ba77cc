import { useState } from 'preact/hooks';
import { errorText, machine, useStatus, useView } from '../client.ts';
import { useFocus } from '../focus.ts';
import { guestTime } from '../format.ts';
import type { Mark } from '../protocol.ts';
import { cycleAt, nearestMark, zoomed } from '../strip.ts';
import type { Span } from '../strip.ts';

const KINDS: { readonly [K in Mark['kind']]: { color: string; top: number; height: number } } = {
  interrupt: { color: 'var(--bad)', top: 3, height: 8 },
  dpc: { color: 'var(--warn)', top: 9, height: 8 },
  irp: { color: 'var(--good)', top: 15, height: 8 },
  bugcheck: { color: 'var(--bad)', top: 0, height: 26 },
};
const KIND_NAMES = Object.keys(KINDS) as Mark['kind'][];
const WIDTH = 1000,
  HEIGHT = 26;
/** Places at which the strip can show a mark: more would not be seen. */
const PLACES = 2000;

/** The marks of a kind as one path; those that fall on one place are drawn once. */
function strokes(marks: readonly Mark[], kind: Mark['kind'], span: Span): string {
  const { top, height } = KINDS[kind];
  const places = new Set<number>();
  for (const mark of marks)
    if (mark.kind === kind && mark.cycle >= span.from && mark.cycle <= span.to)
      places.add(Math.round(((mark.cycle - span.from) / (span.to - span.from)) * PLACES));
  return [...places].map(place => `M${(place * WIDTH) / PLACES} ${top}h1.2v${height}h-1.2z`).join('');
}

/** All the time there is, with what happened in it. A click goes there, the wheel zooms, a double click shows all again. */
export function Timeline() {
  const cycle = useStatus(s => s.cycle);
  const end = useStatus(s => s.end);
  const { value } = useView(() => machine.timeline(), []);
  const { fail } = useFocus();
  const [zoom, setZoom] = useState<Span | null>(null);
  const [pointer, setPointer] = useState<number | null>(null);
  if (value === null) return <div class="timeline" />;

  const all: Span = { from: value.start, to: Math.max(end, value.start + 1) };
  const span = zoom === null ? all : zoom;
  const x = (at: number): number => ((at - span.from) / (span.to - span.from)) * WIDTH;
  const fraction = (event: MouseEvent): number => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const seconds = (at: number): string => guestTime(at / value.tscHz);
  const act = (work: Promise<void>): void => void work.catch(e => fail(errorText(e)));
  const near = pointer === null ? null : nearestMark(value.marks, span, pointer);

  return (
    <div class="timeline">
      <div
        class="strip"
        data-testid="timeline"
        role="slider"
        tabIndex={0}
        aria-label="time"
        aria-valuemin={all.from}
        aria-valuemax={all.to}
        aria-valuenow={cycle}
        aria-valuetext={seconds(cycle)}
        onClick={event => act(machine.goTo(near ? near.cycle : cycleAt(span, fraction(event))))}
        onDblClick={() => setZoom(null)}
        onMouseMove={event => setPointer(fraction(event))}
        onMouseLeave={() => setPointer(null)}
        onWheel={event => {
          event.preventDefault();
          setZoom(zoomed(span, all, fraction(event), event.deltaY < 0 ? 0.5 : 2));
        }}
        onKeyDown={event => {
          const step = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
          if (step !== 0)
            act(machine.goTo(Math.max(all.from, Math.min(all.to, Math.round(cycle + (step * (span.to - span.from)) / 100)))));
          else if (event.key === 'Home') act(machine.goTo(all.from));
          else if (event.key === 'End') act(machine.goTo(all.to));
        }}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {cycle < end && <rect class="future" x={x(cycle)} y="0" width={Math.max(0, x(end) - x(cycle))} height={HEIGHT} />}
          {KIND_NAMES.map(kind => (
            <path key={kind} d={strokes(value.marks, kind, span)} fill={KINDS[kind].color} />
          ))}
          <line class="now" x1={x(cycle)} x2={x(cycle)} y1="0" y2={HEIGHT} vector-effect="non-scaling-stroke" />
        </svg>
        {pointer !== null && (
          <span class={pointer > 0.7 ? 'tip left' : 'tip'} style={{ left: `${pointer * 100}%` }}>
            {near ? `${near.name} at ${seconds(near.cycle)}` : seconds(cycleAt(span, pointer))}
          </span>
        )}
      </div>
      <div class="legend" title="service routines, DPCs, I/O requests">
        <i style={{ background: KINDS.interrupt.color }} />
        ISR
        <i style={{ background: KINDS.dpc.color }} />
        DPC
        <i style={{ background: KINDS.irp.color }} />
        IRP
        {zoom !== null && (
          <button class="small" onClick={() => setZoom(null)}>
            All
          </button>
        )}
      </div>
      {value.branches.length > 1 && (
        <Branches branches={value.branches} seconds={seconds} onChoose={id => act(machine.switchBranch(id))} />
      )}
    </div>
  );
}

interface BranchesProps {
  branches: { id: number; from: number; end: number }[];
  seconds(cycle: number): string;
  onChoose(id: number): void;
}

function Branches({ branches, seconds, onChoose }: BranchesProps) {
  const branch = useStatus(s => s.branch);
  return (
    <select
      aria-label="course of events"
      title="Courses of events: what was typed in the past began a new one"
      value={String(branch)}
      onChange={e => onChoose(Number(e.currentTarget.value))}
    >
      {branches.map(b => (
        <option key={b.id} value={String(b.id)}>
          branch {b.id + 1}, {b.id === 0 ? 'from the start' : `from ${seconds(b.from)}`}
        </option>
      ))}
    </select>
  );
}
