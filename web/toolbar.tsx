import { useRef, useState } from 'preact/hooks';
import { machine, useStatus } from './client.ts';
import { grouped, guestTime, irqlName } from './format.ts';
import { KEYS, shownKey } from './keys.ts';
import type { StepKind } from './protocol.ts';

interface ToolbarProps {
  onRun(): void;
  onStep(kind: StepKind): void;
  onTheme(): void;
  onLoad(name: string, bytes: Uint8Array): void;
  dark: boolean;
}

const STEPS: readonly (readonly [StepKind, string, string])[] = [
  ['into', 'Into', 'Execute one instruction, into calls'],
  ['over', 'Over', 'Execute one instruction; run a call to its end'],
  ['out', 'Out', 'Run to the end of this function'],
  ['interrupt', 'Next interrupt', 'Run until an interrupt is delivered'],
];
const BACK: readonly (readonly [StepKind, string, string])[] = [
  ['back', '◂ Back', 'Undo one instruction'],
  ['back-interrupt', '◂ Interrupt', 'Back to the last interrupt'],
];

export function Toolbar({ onRun, onStep, onTheme, onLoad, dark }: ToolbarProps) {
  const s = useStatus();
  const [help, setHelp] = useState(false);
  const file = useRef<HTMLInputElement>(null);
  const running = s.state === 'running' || s.state === 'halted' || s.state === 'behind';
  const still = s.state === 'paused' || s.state === 'crashed';
  const atEnd = s.cycle >= s.end;

  return (
    <div class="toolbar" role="toolbar">
      <span class="name">kmode</span>
      <button class="primary" data-testid="run" disabled={s.state === 'booting' || s.state === 'failed'} onClick={onRun}>
        {running ? 'Pause' : 'Run'}
        <kbd>F5</kbd>
      </button>
      <span class="gap" />
      {BACK.map(([kind, name, title]) => (
        <button key={kind} data-testid={`step-${kind}`} title={title} disabled={!still} onClick={() => onStep(kind)}>
          {name}
          <kbd>{shownKey(kind)}</kbd>
        </button>
      ))}
      <span class="gap" />
      {STEPS.map(([kind, name, title]) => (
        <button key={kind} data-testid={`step-${kind}`} title={title} disabled={!still} onClick={() => onStep(kind)}>
          {name}
          <kbd>{shownKey(kind)}</kbd>
        </button>
      ))}
      {!atEnd && still && (
        <button data-testid="to-end" onClick={() => onStep('to-end')}>
          To the present
        </button>
      )}
      <span class="spring" />
      <div class="status" data-testid="status" data-state={s.state} data-cycle={s.cycle} data-version={s.version}>
        <span class={`state ${s.state}`} title={s.message}>
          {s.state}
        </span>
        <span class={s.irql > 2 ? 'irql high' : s.irql === 2 ? 'irql dispatch' : 'irql'} title="interrupt request level">
          {irqlName(s.irql)}
        </span>
        <span class="mono" title="guest time; cycles">
          {guestTime(s.time)}
        </span>
        <span class="mono dim" title="cycles since reset">
          {grouped(s.cycle)}
        </span>
        {running && (
          <span class="dim" title="guest seconds a second; guest instructions a second">
            ×{s.speed.toFixed(2)} · {s.mips.toFixed(0)} MIPS
          </span>
        )}
        <select
          aria-label="speed"
          value={String(s.chosenSpeed)}
          onChange={e => void machine.setSpeed(Number(e.currentTarget.value))}
        >
          {[0.01, 0.1, 0.5, 1, 2, 10].map(v => (
            <option key={v} value={String(v)}>
              {v}×
            </option>
          ))}
        </select>
      </div>
      <button onClick={() => file.current!.click()}>Load .sys…</button>
      <input
        ref={file}
        type="file"
        accept=".sys"
        hidden
        data-testid="file"
        onChange={async event => {
          const chosen = event.currentTarget.files?.[0];
          if (chosen) onLoad(chosen.name, new Uint8Array(await chosen.arrayBuffer()));
          event.currentTarget.value = '';
        }}
      />
      <button onClick={onTheme} aria-label={dark ? 'light theme' : 'dark theme'}>
        {dark ? '☀' : '☾'}
      </button>
      <button onClick={() => setHelp(!help)} aria-expanded={help} aria-label="help">
        ?
      </button>
      {help && (
        <div class="help" role="dialog" aria-label="keys">
          <table>
            <tbody>
              {KEYS.map(k => (
                <tr key={k.shown}>
                  <td>{k.shown}</td>
                  <td>{k.label}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <p class="dim">
            Drop a .sys file anywhere to load it. Every address is a link.
            <br />
            Type <b>help</b> in the console.
          </p>
        </div>
      )}
    </div>
  );
}
