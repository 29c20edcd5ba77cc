import { useEffect, useRef, useState } from 'preact/hooks';
import { machine, useStatus, useView } from '../client.ts';
import { useFocus } from '../focus.ts';
import { hexAddress } from '../format.ts';
import { Address } from '../link.tsx';
import type { DisassemblyLine } from '../protocol.ts';
import { Missing, Panel } from './panel.tsx';

const BEFORE = 12;
const COUNT = 60;

/** Code around RIP, or around the address in focus. A click in the margin sets a breakpoint. */
export function Disassembly({ onError }: { onError(message: string): void }) {
  const { rip } = useStatus();
  const { focus, showCode } = useFocus();
  const [changes, setChanges] = useState(0);
  const { value, error } = useView(() => machine.disassembly(focus.code, BEFORE, COUNT), [focus.code, changes]);
  const current = useRef<HTMLDivElement>(null);
  const shown = focus.code ?? rip;

  useEffect(() => current.current?.scrollIntoView({ block: 'center' }), [shown, value === null]);

  const toggle = async (line: DisassemblyLine): Promise<void> => {
    try {
      if (line.breakpoint) {
        const all = await machine.breakpoints();
        for (const b of all) if (b.address === line.address) await machine.removeBreakpoint(b.id);
      } else await machine.addBreakpoint(hexAddress(line.address));
    } catch (e) {
      onError(e instanceof Error ? e.message : String(e));
    }
    setChanges(n => n + 1);
  };
  const go = async (expression: string): Promise<void> => {
    try {
      showCode(await machine.evaluate(expression));
    } catch (e) {
      onError(e instanceof Error ? e.message : String(e));
    }
  };

  return (
    <Panel
      title="Code"
      testid="disassembly"
      tools={
        <>
          {focus.code !== null && <button onClick={() => showCode(null)}>Back to RIP</button>}
          <GoTo placeholder="address or symbol" onGo={go} />
        </>
      }
    >
      {value === null ? (
        <Missing error={error} />
      ) : (
        <div class="code">
          {value.map(line => (
            <>
              {line.label && <div class="label">{line.label}:</div>}
              <div
                class={line.address === rip ? 'row current' : 'row'}
                data-address={hexAddress(line.address)}
                ref={line.address === shown ? current : undefined}
              >
                <span
                  class={line.breakpoint ? 'bp set' : 'bp'}
                  role="button"
                  aria-label={`breakpoint at ${hexAddress(line.address)}`}
                  onClick={() => void toggle(line)}
                >
                  ●
                </span>
                <Address address={line.address} to="data" />
                <span class="bytes">{line.bytes}</span>
                <span>
                  {line.text}
                  {line.target !== null && (
                    <span class="dim">
                      {'  ; '}
                      <Address address={line.target} text={line.targetSymbol ?? hexAddress(line.target)} to="code" />
                    </span>
                  )}
                </span>
              </div>
            </>
          ))}
        </div>
      )}
    </Panel>
  );
}

/** A small input that takes an address or expression. */
export function GoTo({ placeholder, onGo }: { placeholder: string; onGo(expression: string): void }) {
  return (
    <input
      placeholder={placeholder}
      aria-label={placeholder}
      spellcheck={false}
      onKeyDown={event => {
        if (event.key !== 'Enter') return;
        const text = event.currentTarget.value.trim();
        if (text) onGo(text);
      }}
    />
  );
}
