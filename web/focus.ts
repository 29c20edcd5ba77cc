import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/** Where one looks: every address on the page is a link that moves it. */
export interface Focus {
  /** Code the disassembly shows; null = at RIP. */
  code: number | null;
  /** Memory the memory panel shows; null = at RSP. */
  data: number | null;
}

export interface FocusContext {
  focus: Focus;
  showCode(address: number | null): void;
  showData(address: number | null): void;
  /** Runs a debugger command and shows what it prints. */
  inspect(command: string): void;
  /** Tells the person what went wrong. */
  fail(message: string): void;
}

const nothing = (): void => {};

export const FocusContext = createContext<FocusContext>({
  focus: { code: null, data: null },
  showCode: nothing,
  showData: nothing,
  inspect: nothing,
  fail: nothing,
});

export const useFocus = (): FocusContext => useContext(FocusContext);
