import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { connect, errorText, machine, status, useStatus } from './client.ts';
import { Console } from './console.tsx';
import { DropTarget } from './drop.tsx';
import { FocusContext } from './focus.ts';
import type { Focus } from './focus.ts';
import { Icon } from './icons.tsx';
import { keyFor } from './keys.ts';
import { Breakpoints } from './panels/breakpoints.tsx';
import { Commands } from './panels/commands.tsx';
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
import type { InterruptFilter, KernelTopic, StartOptions, StepKind } from './protocol.ts';
import { StatusBar } from './statusbar.tsx';
import { Tabs } from './tabs.tsx';
import { Toolbar } from './toolbar.tsx';

const KERNEL_TABS = [
  ['irps', 'IRPs'],
  ['dpcs', 'DPCs'],
  ['threads', 'Threads'],
  ['timers', 'Timers'],
  ['drivers', 'Drivers'],
  ['devtree', 'Device tree'],
  ['objects', 'Objects'],
] as const satisfies readonly (readonly [KernelTopic, string])[];
const MACHINE_TABS = [
  ['memory', 'Memory'],
  ['interrupts', 'Interrupts'],
  ['devices', 'Hardware'],
  ['breakpoints', 'Breakpoints'],
] as const;
type KernelTab = (typeof KERNEL_TABS)[number][0];
type Tab = KernelTab | (typeof MACHINE_TABS)[number][0];
const isKernelTab = (tab: Tab): tab is KernelTab => KERNEL_TABS.some(([id]) => id === tab);

const TALK_TABS = [
  ['console', 'Console (COM1)'],
  ['debugger', 'Debugger'],
] as const;

/** Options in the page's address: `?driver=none`, `?paused`, `?cpus=4&seed=7`. The machine says which numbers it takes. */
function startOptions(): StartOptions {
  const query = new URLSearchParams(location.search);
  const driver = query.get('driver');
  const cpus = query.get('cpus'),
    seed = query.get('seed');
  return {
    ...(driver === null ? {} : { driver: driver === 'none' ? null : driver }),
    ...(cpus === null ? {} : { cpus: Number(cpus) }),
    ...(seed === null ? {} : { scheduleSeed: Number(seed) }),
    paused: query.has('paused'),
  };
}

/** The page: toolbar and timeline, code and console at the left, registers, stack and the rest at the right, the state of things below. */
export function App() {
  const state = useStatus(s => s.state);
  const why = useStatus(s => s.message);
  const bugCheck = useStatus(s => s.bugCheck);
  const [focus, setFocus] = useState<Focus>({ code: null, data: null });
  const [tab, setTab] = useState<Tab>('irps');
  const [talk, setTalk] = useState<'console' | 'debugger'>('console');
  const [notice, setNotice] = useState<{ text: string; bad: boolean } | null>(null);
  const [command, setCommand] = useState<{ text: string } | null>(null);
  const [filter, setFilter] = useState<InterruptFilter>('devices');
  const [dark, setDark] = useState(() => {
    const chosen = localStorage.getItem('theme');
    return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  });
  const filterNow = useRef(filter);
  filterNow.current = filter;

  const fail = useCallback((text: string) => setNotice({ text, bad: true }), []);
  const act = useCallback((work: Promise<unknown>) => void work.catch(e => fail(errorText(e))), []);
  const step = useCallback((kind: StepKind) => {
    setFocus(f => ({ ...f, code: null }));
    act(machine.step(kind, filterNow.current));
  }, []);
  const goTo = useCallback((cycle: number) => {
    setFocus(f => ({ ...f, code: null }));
    act(machine.goTo(cycle));
  }, []);
  const showCpu = useCallback((cpu: number) => {
    setFocus(f => ({ ...f, code: null }));
    act(machine.selectCpu(cpu));
  }, []);
  const selectCpu = useCallback((direction: 1 | -1) => {
    const { cpu, processors } = status();
    if (processors.length > 1) showCpu((cpu + direction + processors.length) % processors.length);
  }, []);
  const toggleRun = useCallback(() => {
    const running = ['running', 'halted', 'behind'].includes(status().state);
    act(running ? machine.pause() : machine.run());
  }, []);

  useEffect(() => {
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  }, [dark]);

  // A bug check: what is worth seeing is the instruction at fault, not the loop in which the processor ends up.
  useEffect(() => {
    if (bugCheck !== null) setFocus(f => ({ ...f, code: bugCheck.address }));
  }, [bugCheck?.cycle]);

  useEffect(() => {
    void connect();
    act(machine.start(startOptions()));
    const onVisible = (): void => void machine.setVisible(!document.hidden);
    document.addEventListener('visibilitychange', onVisible);
    onVisible();
    return () => document.removeEventListener('visibilitychange', onVisible);
  }, []);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const action = keyFor(event);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      if (action === 'run') {
        if (!event.repeat) toggleRun();
      } else if (action === 'next-panel' || action === 'previous-panel') focusPanel(action === 'next-panel' ? 1 : -1);
      else if (action === 'next-cpu' || action === 'previous-cpu') selectCpu(action === 'next-cpu' ? 1 : -1);
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
        setCommand({ text });
        setTalk('debugger');
      },
      fail,
    }),
    [focus],
  );

  const load = useCallback(async (name: string, bytes: Uint8Array): Promise<void> => {
    try {
      setNotice({ text: `loading ${name}`, bad: false });
      setNotice({ text: await machine.loadDriver(name, bytes), bad: false });
    } catch (e) {
      fail(errorText(e));
    }
  }, []);
  const toggleTheme = (): void => {
    localStorage.setItem('theme', dark ? 'light' : 'dark');
    setDark(!dark);
  };

  return (
    <FocusContext.Provider value={context}>
      <div class="app">
        <Toolbar
          onRun={toggleRun}
          onStep={step}
          onTheme={toggleTheme}
          dark={dark}
          onLoad={load}
          filter={filter}
          onFilter={setFilter}
        />
        <div>
          <Timeline />
          {notice && (
            <div class={notice.bad ? 'notice bad' : 'notice'} role={notice.bad ? 'alert' : 'status'} data-testid="notice">
              <span>{notice.text}</span>
              <span class="spring" />
              <button class="bare" onClick={() => setNotice(null)} aria-label="dismiss">
                <Icon name="close" />
              </button>
            </div>
          )}
          {bugCheck && <CrashCard bugCheck={bugCheck} onStep={step} onGo={goTo} />}
          {state === 'failed' && (
            <div class="card" role="alert" data-testid="failed">
              <h2>kmode itself failed</h2>
              <div class="mono">{why}</div>
              <div class="how">
                <button onClick={() => location.reload()}>Start again</button>
              </div>
            </div>
          )}
        </div>
        <main class="body">
          <div class="column left">
            <Disassembly onError={fail} />
            <Panel
              title={
                <Tabs<'console' | 'debugger'> label="console and debugger" tabs={TALK_TABS} chosen={talk} onChoose={setTalk} />
              }
              tools={<span class="dim hint">{talk === 'console' ? 'type help' : 'type help, !irp, dt, k'}</span>}
            >
              <div class="fill" hidden={talk !== 'console'}>
                <Console dark={dark} />
              </div>
              <div class="fill" hidden={talk !== 'debugger'}>
                <Commands given={command} shown={talk === 'debugger'} />
              </div>
            </Panel>
          </div>
          <div class="column right">
            <div class="pair">
              <Registers />
              <Stack />
            </div>
            <Panel
              testid="lower"
              title={
                <div class="tabrows">
                  <Tabs<KernelTab> label="kernel" tabs={KERNEL_TABS} chosen={tab} onChoose={setTab} />
                  <Tabs<Tab> label="machine" tabs={MACHINE_TABS} chosen={tab} onChoose={setTab} />
                </div>
              }
            >
              {tab === 'memory' && <Memory onError={fail} />}
              {tab === 'interrupts' && <Interrupts />}
              {tab === 'devices' && <Devices />}
              {tab === 'breakpoints' && <Breakpoints onError={fail} />}
              {isKernelTab(tab) && <KernelObjects key={tab} topic={tab} />}
            </Panel>
          </div>
        </main>
        <StatusBar onCpu={showCpu} />
        <DropTarget onDrop={load} />
      </div>
    </FocusContext.Provider>
  );
}

/** Moves the keyboard's focus to the next or previous panel. */
function focusPanel(direction: 1 | -1): void {
  const panels = [...document.querySelectorAll<HTMLElement>('.panel')];
  const at = panels.findIndex(p => p.contains(document.activeElement));
  const next = panels[(at + direction + panels.length) % panels.length];
  const inside = next?.querySelector<HTMLElement>('.fill:not([hidden]) textarea, .fill:not([hidden]) input');
  (inside ?? next?.querySelector<HTMLElement>('.content'))?.focus();
}
