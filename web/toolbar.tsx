import { useRef, useState } from 'preact/hooks';
import { machine, useStatus, useView } from './client.ts';
import { Icon } from './icons.tsx';
import { KEYS, shownKey } from './keys.ts';
import type { InterruptFilter, StepKind } from './protocol.ts';
import { Settings } from './settings.tsx';

interface ToolbarProps {
  onRun(): void;
  onStep(kind: StepKind): void;
  onTheme(): void;
  onLoad(name: string, bytes: Uint8Array): void;
  dark: boolean;
  filter: InterruptFilter;
  onFilter(filter: InterruptFilter): void;
}

type ShownStep = 'back-interrupt' | 'back' | 'into' | 'over' | 'out' | 'interrupt';
const BACKWARDS: readonly (readonly [ShownStep, string, string])[] = [
  ['back-interrupt', 'Last interrupt', 'Go back to the last interrupt'],
  ['back', 'Back', 'Undo one instruction'],
];
const FORWARDS: readonly (readonly [ShownStep, string, string])[] = [
  ['into', 'Into', 'Execute one instruction; follow a call'],
  ['over', 'Over', 'Execute one instruction; a call is run to its end'],
  ['out', 'Out', 'Run until this function has returned'],
  ['interrupt', 'Next interrupt', 'Run until an interrupt is delivered: chosen at the right'],
];

export function Toolbar({ onRun, onStep, onTheme, onLoad, dark, filter, onFilter }: ToolbarProps) {
  const state = useStatus(s => s.state);
  const inPast = useStatus(s => s.cycle < s.end);
  const [open, setOpen] = useState<'help' | 'settings' | null>(null);
  const toggle = (what: 'help' | 'settings'): void => setOpen(open === what ? null : what);
  const file = useRef<HTMLInputElement>(null);
  const running = state === 'running' || state === 'halted' || state === 'behind';
  const still = state === 'paused' || state === 'crashed';

  const button = ([kind, name, title]: readonly [ShownStep, string, string], enabled: boolean) => (
    <button
      key={kind}
      data-testid={`step-${kind}`}
      title={`${title} (${shownKey(kind)})`}
      disabled={!enabled}
      onClick={() => onStep(kind)}
    >
      <Icon name={kind} />
      {name}
      <kbd>{shownKey(kind)}</kbd>
    </button>
  );

  return (
    <div class="toolbar" role="toolbar" aria-label="debugger">
      <span class="name">kmode</span>
      <button
        class="primary"
        data-testid="run"
        disabled={!running && state !== 'paused'}
        onClick={onRun}
        title={running ? 'Stop the machine where it is (F5)' : 'Let the machine run (F5)'}
      >
        <Icon name={running ? 'pause' : 'run'} />
        {running ? 'Pause' : 'Run'}
        <kbd>F5</kbd>
      </button>
      <span class="group" role="group" aria-label="backwards">
        {BACKWARDS.map(s => button(s, still))}
      </span>
      <span class="group" role="group" aria-label="forwards">
        {FORWARDS.map(s => button(s, state === 'paused'))}
        <Filter filter={filter} onFilter={onFilter} />
      </span>
      {inPast && still && (
        <button data-testid="to-end" onClick={() => onStep('to-end')} title="Go to the latest moment that was reached">
          To the present
        </button>
      )}
      <span class="spring" />
      <button
        onClick={() => file.current!.click()}
        title="Load a driver from a file; or drop it on the page"
        disabled={state === 'booting' || state === 'failed'}
      >
        <Icon name="load" />
        Load .sys
      </button>
      <input
        ref={file}
        type="file"
        accept=".sys"
        hidden
        data-testid="file"
        onChange={async event => {
          const input = event.currentTarget;
          const chosen = input.files?.[0];
          if (chosen) onLoad(chosen.name, new Uint8Array(await chosen.arrayBuffer()));
          input.value = '';
        }}
      />
      <button
        class="bare"
        onClick={onTheme}
        aria-label={dark ? 'light theme' : 'dark theme'}
        title={dark ? 'Light theme' : 'Dark theme'}
      >
        <Icon name={dark ? 'light' : 'dark'} />
      </button>
      <button
        class="bare"
        onClick={() => toggle('settings')}
        aria-expanded={open === 'settings'}
        aria-label="machine"
        title="The machine: how many processors it has"
        data-testid="machine"
      >
        <Icon name="machine" />
      </button>
      <button
        class="bare"
        onClick={() => toggle('help')}
        aria-expanded={open === 'help'}
        aria-label="help"
        title="Keys and hints"
      >
        <Icon name="help" />
      </button>
      {open === 'help' && <Help onClose={() => setOpen(null)} />}
      {open === 'settings' && <Settings onClose={() => setOpen(null)} />}
    </div>
  );
}

/** Which interrupts *next interrupt* and *last interrupt* stop at. */
function Filter({ filter, onFilter }: { filter: InterruptFilter; onFilter(filter: InterruptFilter): void }) {
  const { value } = useView(() => machine.interruptSources(), []);
  return (
    <select
      aria-label="interrupts to stop at"
      title="Which interrupts to stop at"
      data-testid="interrupt-filter"
      value={String(filter)}
      onChange={event => {
        const chosen = event.currentTarget.value;
        onFilter(chosen === 'devices' || chosen === 'all' ? chosen : Number(chosen));
      }}
    >
      <option value="devices">of devices</option>
      <option value="all">any, also the clock</option>
      {value?.map(s => (
        <option key={s.vector} value={String(s.vector)}>
          0x{s.vector.toString(16)} {s.name}
        </option>
      ))}
    </select>
  );
}

function Help({ onClose }: { onClose(): void }) {
  return (
    <div
      class="help"
      role="dialog"
      aria-label="keys"
      onKeyDown={event => {
        if (event.key === 'Escape') onClose();
      }}
    >
      <table>
        <tbody>
          {KEYS.map(k => (
            <tr key={k.shown}>
              <td>
                <kbd>{k.shown}</kbd>
              </td>
              <td>{k.label}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <ul>
        <li>
          Type <b>help</b> in the console: the machine&rsquo;s own prompt, on its serial port.
        </li>
        <li>Drop a .sys file anywhere to load it.</li>
        <li>Every address is a link: to memory, or with Shift to code.</li>
        <li>
          A click on the strip below goes to that moment; the wheel zooms. What you type in the past begins another course of
          events.
        </li>
      </ul>
      <button onClick={onClose}>Close</button>
    </div>
  );
}
