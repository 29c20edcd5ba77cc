import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { connect, machine, status, useStatus } from './client.ts';
import { Console } from './console.tsx';
import { DropTarget } from './drop.tsx';
import { FocusContext } from './focus.ts';
import type { Focus } from './focus.ts';
import { Commands, Breakpoints } from './panels/debugger.tsx';
import { CrashCard } from './panels/crash.tsx';
import { Devices } from './panels/devices.tsx';
import { Disassembly } from './panels/disassembly.tsx';
import { Interrupts } from './panels/interrupts.tsx';
import { KernelObjects } from './panels/kernel.tsx';
import { Memory } from './panels/memory.tsx';
import { Panel } from './panels/panel.tsx';
import { Registers } from './panels/registers.tsx';
import { Stack } from './panels/stack.tsx';
import { Timeline } from './panels/timeline.tsx';
import type { StepKind } from './protocol.ts';
import { keyFor } from './keys.ts';
import { Toolbar } from './toolbar.tsx';

const TABS = [
  ['memory', 'Memory'],
  ['interrupts', 'Interrupts'],
  ['dpcs', 'DPCs'],
  ['irps', 'IRPs'],
  ['threads', 'Threads'],
  ['timers', 'Timers'],
  ['drivers', 'Drivers'],
  ['devtree', 'Device tree'],
  ['devices', 'Hardware'],
  ['breakpoints', 'Breakpoints'],
  ['commands', 'Commands'],
] as const;
type Tab = (typeof TABS)[number][0];

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The page: toolbar, timeline, code and console at the left, registers, stack and the rest at the right. */
export function App() {
  const { state, bugCheck, message: why } = useStatus();
  const [focus, setFocus] = useState<Focus>({ code: null, data: null });
  const [tab, setTab] = useState<Tab>('irps');
  const [notice, setNotice] = useState<{ text: string; bad: boolean } | null>(null);
  const [command, setCommand] = useState<string | null>(null);
  const [dark, setDark] = useState(() => {
    const chosen = localStorage.getItem('theme');
    return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  });

  const fail = useCallback((text: string) => setNotice({ text, bad: true }), []);
  const act = useCallback((work: Promise<unknown>) => void work.catch(e => fail(message(e))), []);
  const step = useCallback((kind: StepKind) => {
    setFocus(f => ({ ...f, code: null }));
    act(machine.step(kind));
  }, []);
  const toggleRun = useCallback(() => {
    const running = ['running', 'halted', 'behind'].includes(status().state);
    act(running ? machine.pause() : machine.run());
  }, []);

  useEffect(() => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }, [dark]);

  useEffect(() => {
    void connect();
    act(machine.start());
  }, []);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const action = keyFor(event);
      if (!action) return;
      event.preventDefault();
      if (action === 'run') toggleRun();
      else step(action);
    };
    window.addEventListener('keydown', onKey, { capture: true });
    return () => window.removeEventListener('keydown', onKey, { capture: true });
  }, []);

  const context = useMemo(
    () => ({
      focus,
      showCode: (code: number | null) => setFocus(f => ({ ...f, code })),
      showData: (data: number | null) => {
        setFocus(f => ({ ...f, data }));
        setTab('memory');
      },
      inspect: (text: string) => {
        setCommand(text);
        setTab('commands');
      },
    }),
    [focus],
  );

  const load = async (name: string, bytes: Uint8Array): Promise<void> => {
    try {
      setNotice({ text: await machine.loadDriver(name, bytes), bad: false });
    } catch (e) {
      fail(message(e));
    }
  };
  const toggleTheme = (): void => {
    localStorage.setItem('theme', dark ? 'light' : 'dark');
    setDark(!dark);
  };

  return (
    <FocusContext.Provider value={context}>
      <div class="app">
        <Toolbar onRun={toggleRun} onStep={step} onTheme={toggleTheme} dark={dark} onLoad={load} />
        <div>
          <Timeline />
          {notice && (
            <div class={notice.bad ? 'notice bad' : 'notice'} role={notice.bad ? 'alert' : 'status'} data-testid="notice">
              <span>{notice.text}</span>
              <button onClick={() => setNotice(null)} aria-label="dismiss">
                ✕
              </button>
            </div>
          )}
          {bugCheck && <CrashCard bugCheck={bugCheck} onBack={() => step('back')} onStart={() => step('back-interrupt')} />}
          {state === 'failed' && (
            <div class="card" role="alert">
              <h2>kmode itself failed</h2>
              {why}
            </div>
          )}
        </div>
        <div class="body">
          <div class="column left">
            <Disassembly onError={fail} />
            <Panel title="Console (COM1)" tools={<span class="dim">type help</span>}>
              <Console dark={dark} />
            </Panel>
          </div>
          <div class="column right">
            <div class="pair">
              <Registers />
              <Stack />
            </div>
            <Panel
              title={
                <span class="tabs" role="tablist">
                  {TABS.map(([id, name]) => (
                    <button key={id} role="tab" aria-selected={tab === id} onClick={() => setTab(id)}>
                      {name}
                    </button>
                  ))}
                </span>
              }
            >
              {tab === 'memory' && <Memory onError={fail} />}
              {tab === 'interrupts' && <Interrupts />}
              {tab === 'devices' && <Devices />}
              {tab === 'breakpoints' && <Breakpoints onError={fail} />}
              {tab === 'commands' && <Commands initial={command} />}
              {(tab === 'dpcs' ||
                tab === 'irps' ||
                tab === 'threads' ||
                tab === 'timers' ||
                tab === 'drivers' ||
                tab === 'devtree') && <KernelObjects topic={tab} />}
            </Panel>
          </div>
        </div>
        <DropTarget onDrop={load} />
      </div>
    </FocusContext.Provider>
  );
}
