import { machine, useStatus, useView } from '../client.ts';
import type { Mark } from '../protocol.ts';

const COLORS: { readonly [K in Mark['kind']]: string } = {
  interrupt: 'var(--accent)',
  dpc: 'var(--warn)',
  irp: 'var(--good)',
  bugcheck: 'var(--bad)',
  input: 'var(--text)',
  debug: 'var(--dim)',
};

/** All the time there is, with what happened in it. A click goes there. */
export function Timeline() {
  const { cycle, end } = useStatus();
  const { value } = useView(() => machine.timeline(), []);
  const start = value?.start ?? 0;
  const span = Math.max(1, end - start);
  const x = (at: number): number => ((at - start) / span) * 1000;
  const go = (event: MouseEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    void machine.goTo(Math.round(start + ((event.clientX - box.left) / box.width) * span));
  };
  return (
    <div class="timeline" data-testid="timeline" onClick={go} title="Click to go to that moment">
      <svg viewBox="0 0 1000 26" preserveAspectRatio="none" aria-hidden="true">
        {value?.checkpoints.map(c => (
          <rect key={`c${c}`} x={x(c)} y="22" width="1" height="4" fill="var(--line)" />
        ))}
        {value?.marks.map((m, i) => (
          <rect
            key={i}
            x={x(m.cycle)}
            y={m.kind === 'interrupt' ? 4 : m.kind === 'dpc' ? 8 : 12}
            width="1.5"
            height="9"
            fill={COLORS[m.kind]}
          >
            <title>{m.name}</title>
          </rect>
        ))}
        <line class="now" x1={x(cycle)} x2={x(cycle)} y1="0" y2="26" vector-effect="non-scaling-stroke" />
      </svg>
    </div>
  );
}
