import * as Comlink from 'comlink';
import { useEffect, useRef, useState } from 'preact/hooks';
import { BOOTING } from './protocol.ts';
import type { MachineApi, Status } from './protocol.ts';
import { sameAnswer } from './same.ts';

/** The machine in its worker. One a page. Also `window.kmode`, for tests and for the curious. */
export const machine = Comlink.wrap<MachineApi>(
  new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module', name: 'kmode' }),
);
Object.assign(window, { kmode: machine });

const listeners = new Set<() => void>();
let current: Status = BOOTING;

/** Subscribes to the worker's status; call once. */
export function connect(): Promise<void> {
  return machine.onStatus(
    Comlink.proxy((status: Status) => {
      current = status;
      for (const listener of listeners) listener();
    }),
  );
}

export const status = (): Status => current;

export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** A part of the machine's status, kept current. The component is drawn again only when that part changes. */
export function useStatus<T>(pick: (status: Status) => T): T {
  const [, redraw] = useState(0);
  const shown = useRef<T>(pick(current));
  shown.current = pick(current);
  useEffect(() => {
    const look = (): void => {
      if (!sameAnswer(pick(current), shown.current)) redraw(n => n + 1);
    };
    look();
    listeners.add(look);
    return () => void listeners.delete(look);
  }, []);
  return shown.current;
}

export interface View<T> {
  value: T | null;
  error: string | null;
}

/**
 * What the worker answers, asked anew whenever the machine's state may have changed or `deps` do. While an answer is under way no second
 * question is asked: the latest one waits. `null` until the first answer; an error keeps the old answer. The same answer again draws nothing.
 */
export function useView<T>(ask: () => Promise<T>, deps: readonly unknown[]): View<T> {
  const version = useStatus(s => s.version);
  const booting = useStatus(s => s.state === 'booting');
  const [answer, setAnswer] = useState<View<T>>({ value: null, error: null });
  const latest = useRef(ask);
  latest.current = ask;
  const state = useRef({ busy: false, again: false, alive: true });

  useEffect(() => {
    const s = state.current;
    s.alive = true;
    return () => void (s.alive = false);
  }, []);

  useEffect(() => {
    const s = state.current;
    if (booting) return;
    if (s.busy) {
      s.again = true;
      return;
    }
    const go = async (): Promise<void> => {
      s.busy = true;
      do {
        s.again = false;
        try {
          const value = await latest.current();
          if (s.alive) setAnswer(old => (old.error === null && sameAnswer(old.value, value) ? old : { value, error: null }));
        } catch (error) {
          if (s.alive) setAnswer(old => ({ value: old.value, error: errorText(error) }));
        }
      } while (s.again && s.alive);
      s.busy = false;
    };
    void go();
  }, [version, booting, ...deps]);
  return answer;
}
