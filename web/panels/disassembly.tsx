import { useEffect, useRef, useState } from 'preact/hooks';
import { Fragment } from 'preact';
import { errorText, machine, useStatus, useView } from '../client.ts';
import { useFocus } from '../focus.ts';
import { hexAddress } from '../format.ts';
import { Address } from '../link.tsx';
import type { DisassemblyLine } from '../protocol.ts';
import { GoTo } from './goto.tsx';
import { Missing, Panel } from './panel.tsx';

const BEFORE = 24;
const COUNT = 90;

/** Code around RIP, or around the address in focus. A click in the margin sets a breakpoint; so does the space bar on a line. */
export function Disassembly({ onError }: { onError(message: string): void }) {
  const rip = useStatus(s => s.rip);
  const still = useStatus(s => s.state === 'paused' || s.state === 'crashed');
  const { focus, showCode } = useFocus();
  const { value, error } = useView(() => machine.disassembly(focus.code, BEFORE, COUNT), [focus.code]);
  const current = useRef<HTMLDivElement>(null);
  const [centred, setCentred] = useState('');
  const shown = focus.code ?? rip;

  // The line in focus is brought into view when it is another one, and left where it is when it can be seen already.
  useEffect(() => {
    const row = current.current;
    const key = `${shown} ${value?.[0]?.address}`;
    if (row === null || key === centred) return;
    // The panel may have gone from the page before its effect runs.
    const content = row.closest('.content');
    if (content === null) return;
    const box = content.getBoundingClientRect(),
      at = row.getBoundingClientRect();
    if (at.top < box.top + 20 || at.bottom > box.bottom - 40) row.scrollIntoView({ block: 'center' });
    setCentred(key);
  });

  const toggle = async (line: DisassemblyLine): Promise<void> => {
    try {
      if (line.breakpoint) {
        for (const b of await machine.breakpoints()) if (b.address === line.address) await machine.removeBreakpoint(b.id);
      } else await machine.addBreakpoint(line.label ?? hexAddress(line.address));
    } catch (e) {
      onError(errorText(e));
    }
  };
  const go = async (expression: string): Promise<void> => {
    try {
      showCode(await machine.evaluate(expression));
    } catch (e) {
      onError(errorText(e));
    }
  };

  return (
    <Panel
      title="Code"
      testid="disassembly"
      tools={
        <>
          {focus.code !== null && (
            <button class="small" onClick={() => showCode(null)} title="Show the code at the instruction pointer">
              Back to RIP
            </button>
          )}
          {focus.code !== null && still && (
            <button
              class="small"
              data-testid="run-to"
              title="Run until the processor is about to execute the line that is marked"
              onClick={() => {
                void machine.runToAddress(focus.code!).catch(e => onError(errorText(e)));
                showCode(null);
              }}
            >
              Run to here
            </button>
          )}
          <GoTo placeholder="address or symbol" onGo={text => void go(text)} />
        </>
      }
    >
      {value === null ? (
        <Missing error={error} />
      ) : (
        <div class="code">
          {value.map(line => (
            <Fragment key={line.address}>
              {line.label && <div class="label">{line.label}:</div>}
              <div
                class={`row${line.address === rip ? ' current' : ''}${line.address === focus.code ? ' focus' : ''}`}
                data-address={hexAddress(line.address)}
                ref={line.address === shown ? current : undefined}
              >
                <button
                  class={line.breakpoint ? 'bp set' : 'bp'}
                  aria-pressed={line.breakpoint}
                  aria-label={`breakpoint at ${line.label ?? hexAddress(line.address)}`}
                  title={line.breakpoint ? 'Remove the breakpoint' : 'Set a breakpoint'}
                  tabIndex={line.address === shown ? 0 : -1}
                  onClick={() => void toggle(line)}
                />
                <Address address={line.address} to="data" />
                <span class="bytes">{line.bytes}</span>
                <span class="text">
                  {line.text}
                  {line.target !== null && (
                    <span class="dim">
                      {'  ; '}
                      <Address address={line.target} text={line.targetSymbol ?? hexAddress(line.target)} to="code" />
                    </span>
                  )}
                </span>
              </div>
            </Fragment>
          ))}
        </div>
      )}
    </Panel>
  );
}
