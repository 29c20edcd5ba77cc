import * as Comlink from 'comlink';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { MachineApi, Status } from './protocol.ts';

/** The machine in its worker. One a page. */
export const machine = Comlink.wrap<MachineApi>(
  new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module', name: 'kmode' }),
);

const listeners = new Set<(status: Status) => void>();
let current: Status = {
  state: 'booting',
  version: 0,
  cycle: 0,
  time: 0,
  instructions: 0,
  speed: 0,
  chosenSpeed: 1,
  mips: 0,
  irql: 0,
  rip: 0,
  symbol: null,
  message: 'starting',
  thread: null,
  end: 0,
  branch: 0,
  branches: 1,
  bugCheck: null,
};

/** Subscribes to the worker's status; call once. */
export function connect(): Promise<void> {
  return machine.onStatus(
    Comlink.proxy((status: Status) => {
      current = status;
      for (const listener of listeners) listener(status);
    }),
  );
}

export const status = (): Status => current;

/** The machine's status, kept current. */
export function useStatus(): Status {
  const [value, set] = useState(current);
  useEffect(() => {
    set(current);
    listeners.add(set);
    return () => void listeners.delete(set);
  }, []);
  return value;
}

/**
 * What the worker answers, asked anew whenever the machine's state may have changed or `deps` do. While an answer is under way no second
 * question is asked: the latest one waits. `null` until the first answer; an error keeps the old answer and is shown by the caller.
 */
export function useView<T>(ask: () => Promise<T>, deps: readonly unknown[]): { value: T | null; error: string | null } {
  const { version } = useStatus();
  const [answer, setAnswer] = useState<{ value: T | null; error: string | null }>({ value: null, error: null });
  const state = useRef({ busy: false, again: false, alive: true });
  useEffect(() => {
    const s = state.current;
    s.alive = true;
    const go = async (): Promise<void> => {
      if (s.busy) {
        s.again = true;
        return;
      }
      s.busy = true;
      do {
        s.again = false;
        try {
          const value = await ask();
          if (s.alive) setAnswer({ value, error: null });
        } catch (error) {
          if (s.alive) setAnswer(old => ({ value: old.value, error: error instanceof Error ? error.message : String(error) }));
        }
      } while (s.again && s.alive);
      s.busy = false;
    };
    void go();
    return () => void (s.alive = false);
  }, [version, ...deps]);
  return answer;
}
