import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import * as Comlink from 'comlink';
import { useEffect, useRef } from 'preact/hooks';
import { machine } from './client.ts';

const DARK = { background: '#101318', foreground: '#dfe3ea', cursor: '#6cb2ff', selectionBackground: '#2f4a6b' };
const LIGHT = { background: '#fbfbfc', foreground: '#1b1f26', cursor: '#0a64c8', selectionBackground: '#b9d7fb' };

/** The terminal on COM1. Exposed for tests as `window.kmodeTerminal`. */
export function Console({ dark }: { dark: boolean }) {
  const host = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);

  useEffect(() => {
    const term = new Terminal({
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono'),
      fontSize: 12.5,
      cursorBlink: false,
      convertEol: false,
      scrollback: 5000,
      theme: dark ? DARK : LIGHT,
    });
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(host.current!);
    fit.fit();
    terminal.current = term;
    (window as unknown as { kmodeTerminal: Terminal }).kmodeTerminal = term;
    const encoder = new TextEncoder();
    term.onData(text => void machine.consoleInput(encoder.encode(text)));
    // F-keys belong to the debugger, whatever has the focus.
    term.attachCustomKeyEventHandler(event => !/^F\d+$/.test(event.key));
    void machine.onConsole(
      Comlink.proxy((bytes: Uint8Array, anew: boolean) => {
        // Time has been gone back in: the screen shows what had been sent by then.
        if (anew) term.reset();
        term.write(bytes);
      }),
    );
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(host.current!);
    return () => {
      observer.disconnect();
      term.dispose();
    };
  }, []);

  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = dark ? DARK : LIGHT;
  }, [dark]);

  return <div class="console" ref={host} data-testid="console" />;
}
