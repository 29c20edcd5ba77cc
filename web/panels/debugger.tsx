import { useEffect, useState } from 'preact/hooks';
import { machine, useStatus } from '../client.ts';
import { Address } from '../link.tsx';
import type { Breakpoint } from '../protocol.ts';
import { GoTo } from './disassembly.tsx';

/** Debugger commands (`!irp`, `dt`, `lm`) and what they print. Addresses in the text are links. */
export function Commands({ initial }: { initial: string | null }) {
  const [lines, setLines] = useState<string[]>([
    'Type a debugger command: lm, dt nt!_DRIVER_OBJECT ADDRESS, !irp, !process 0 0, !devstack, !analyze …',
  ]);
  const run = async (command: string): Promise<void> => {
    try {
      const out = await machine.command(command);
      setLines(old => [...old, `> ${command}`, ...out].slice(-2000));
    } catch (e) {
      setLines(old => [...old, `> ${command}`, e instanceof Error ? e.message : String(e)]);
    }
  };
  useEffect(() => {
    if (initial) void run(initial);
  }, [initial]);
  return (
    <>
      <div class="notice">
        <GoTo placeholder="debugger command" onGo={text => void run(text)} />
      </div>
      <pre class="hex" data-testid="command-output">
        {lines.map((line, i) => (
          <div key={i}>{linked(line)}</div>
        ))}
      </pre>
    </>
  );
}

const ADDRESS = /\b([0-9a-f]{8}`[0-9a-f]{8}|(?:0x)?ffff[0-9a-f]{12})\b/gi;

function linked(line: string) {
  const parts: (string | ReturnType<typeof Address>)[] = [];
  let at = 0;
  for (const match of line.matchAll(ADDRESS)) {
    parts.push(line.slice(at, match.index));
    const value = Number(BigInt.asIntN(64, BigInt(`0x${match[0].replace(/^0x|`/gi, '')}`)));
    parts.push(<Address address={value} text={match[0]} />);
    at = match.index + match[0].length;
  }
  parts.push(line.slice(at));
  return parts;
}

/** The list of breakpoints, with a field to add one. */
export function Breakpoints({ onError }: { onError(message: string): void }) {
  const { version } = useStatus();
  const [list, setList] = useState<Breakpoint[]>([]);
  const refresh = async (): Promise<void> => setList(await machine.breakpoints());
  useEffect(() => void refresh(), [version]);
  const add = async (expression: string): Promise<void> => {
    try {
      await machine.addBreakpoint(expression);
    } catch (e) {
      onError(e instanceof Error ? e.message : String(e));
    }
    await refresh();
  };
  return (
    <>
      <div class="notice">
        <GoTo placeholder="address or symbol, e.g. edu!EduIsr" onGo={text => void add(text)} />
      </div>
      {list.length === 0 ? (
        <div class="empty">no breakpoints: type a symbol above, or click left of an instruction</div>
      ) : (
        <table class="rows" data-testid="breakpoints">
          <thead>
            <tr>
              <th></th>
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
                  <button onClick={() => void machine.removeBreakpoint(b.id).then(refresh)}>Remove</button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
