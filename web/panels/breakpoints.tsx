import { errorText, machine, useView } from '../client.ts';
import { useState } from 'preact/hooks';
import { Address } from '../link.tsx';
import { GoTo } from './goto.tsx';

/** The list of breakpoints, with a field to add one. */
export function Breakpoints({ onError }: { onError(message: string): void }) {
  const [asked, ask] = useState(0);
  const { value } = useView(() => machine.breakpoints(), [asked]);
  const list = value ?? [];
  const change = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (e) {
      onError(errorText(e));
    }
    ask(n => n + 1);
  };
  return (
    <>
      <div class="tools">
        <GoTo placeholder="address or symbol: edu!EduIsr" onGo={text => void change(machine.addBreakpoint(text))} clear />
        <span class="dim">the machine stops before the instruction there</span>
      </div>
      {list.length === 0 ? (
        <div class="empty">There are no breakpoints: type a symbol above, or click at the left of an instruction.</div>
      ) : (
        <table class="rows" data-testid="breakpoints">
          <thead>
            <tr>
              <th>number</th>
              <th>where</th>
              <th>hits</th>
              <th></th>
            </tr>
          </thead>
          <tbody>
            {list.map(b => (
              <tr key={b.id}>
                <td>{b.id}</td>
                <td>
                  <Address address={b.address} text={b.symbol ?? b.expression} to="code" />
                </td>
                <td>{b.hits}</td>
                <td>
                  <button class="small" onClick={() => void change(machine.removeBreakpoint(b.id))}>
                    Remove
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
