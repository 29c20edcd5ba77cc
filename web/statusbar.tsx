import { machine, useStatus } from './client.ts';
import { grouped, guestTime, irqlName } from './format.ts';
import { shownKey } from './keys.ts';
import { Address } from './link.tsx';
import type { ProcessorStatus } from './protocol.ts';

const SPEEDS = [0.01, 0.1, 0.5, 1, 2, 10];
const WORDS: { readonly [state: string]: string } = {
  halted: 'idle: the processor waits for an interrupt',
  running: 'running',
  behind: 'running, slower than asked: this computer cannot keep up',
  booting: 'booting',
};

/** What the machine does, why it stands, where and when it is. */
export function StatusBar({ onCpu }: { onCpu(cpu: number): void }) {
  const s = useStatus(value => value);
  const running = s.state === 'running' || s.state === 'halted' || s.state === 'behind';
  return (
    <footer
      class="status"
      data-testid="status"
      data-state={s.state}
      data-cycle={s.cycle}
      data-version={s.version}
      data-symbol={s.symbol ?? ''}
    >
      <span class={`state ${s.state}`}>{s.state}</span>
      <span class="why" role="status" data-testid="message">
        {WORDS[s.state] ?? s.message}
      </span>
      {!running && s.version > 0 && <Address address={s.rip} text={s.symbol ?? undefined} to="code" />}
      <span class="spring" />
      {s.processors.length > 1 && <Processors processors={s.processors} chosen={s.cpu} still={!running} onChoose={onCpu} />}
      {s.branches > 1 && (
        <span class="dim" title="courses of events: what was typed or changed in the past began a new one">
          branch {s.branch + 1} of {s.branches}
        </span>
      )}
      <span class={s.irql > 2 ? 'irql high' : s.irql === 2 ? 'irql dispatch' : 'irql'} title="interrupt request level (CR8)">
        IRQL {irqlName(s.irql)}
      </span>
      <span class="mono" title="guest time since reset">
        {guestTime(s.time)}
      </span>
      <span class="mono dim" title="cycles since reset">
        cycle {grouped(s.cycle)}
      </span>
      {running && (
        <span class="mono dim" title="guest seconds a second; millions of guest instructions a second">
          {s.speed.toFixed(2)}x, {s.mips.toFixed(s.mips < 10 ? 1 : 0)} MIPS
        </span>
      )}
      <label class="dim">
        speed{' '}
        <select
          aria-label="speed"
          title="Guest seconds a second, at most"
          value={String(s.chosenSpeed)}
          onChange={e => void machine.setSpeed(Number(e.currentTarget.value))}
        >
          {SPEEDS.map(v => (
            <option key={v} value={String(v)}>
              {v}x
            </option>
          ))}
        </select>
      </label>
    </footer>
  );
}

interface ProcessorsProps {
  processors: readonly ProcessorStatus[];
  chosen: number;
  still: boolean;
  onChoose(cpu: number): void;
}

/** Which processor is looked at. While the machine stands, the one that executes next is marked; those that wait are dim. */
function Processors({ processors, chosen, still, onChoose }: ProcessorsProps) {
  return (
    <span class="group processors" role="group" aria-label={`processor (${shownKey('next-cpu')})`} data-testid="processors">
      {processors.map((p, n) => {
        const turn = still && p.turn;
        const what = [turn && 'executes next', p.halted && 'waits'].filter(Boolean).join(', ');
        return (
          <button
            key={n}
            class={`small${turn ? ' turn' : ''}${p.halted ? ' waits' : ''}`}
            aria-pressed={n === chosen}
            title={`Processor ${n}${what && `: ${what}`} (${shownKey('next-cpu')} for the next)`}
            onClick={() => onChoose(n)}
          >
            P{n}
          </button>
        );
      })}
    </span>
  );
}
