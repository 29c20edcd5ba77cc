import { machine, useView } from '../client.ts';
import { Address, ObjectLink } from '../link.tsx';
import type { KernelRow, KernelTopic } from '../protocol.ts';
import { Missing } from './panel.tsx';

/** The debugger command that describes an object of each table. */
const COMMANDS: { readonly [topic in KernelTopic]: string } = {
  irps: '!irp',
  dpcs: 'dt nt!_KDPC',
  threads: '!thread',
  timers: 'dt nt!_KTIMER',
  drivers: '!drvobj',
  devtree: '!devnode',
  objects: '!object',
};

/** What an empty table means, and how to see something in it. */
const EMPTY: { readonly [topic in KernelTopic]: string } = {
  irps: 'No I/O request is in flight. Try "read echo 5" in the console after "load echo": it waits until something is written.',
  dpcs: 'No DPC is queued. They run as soon as the IRQL falls below DISPATCH_LEVEL: stop in a service routine that queues one (break at edu!EduIsr, then step out) to see it here.',
  threads: 'There are no threads yet.',
  timers: 'No timer is set. Try "load ticker" in the console.',
  drivers: 'No driver is loaded. Drop a .sys file on the page, or type "load edu" in the console.',
  devtree: 'The device tree has not been built yet.',
  objects: 'The namespace has not been built yet.',
};

/** A table of kernel objects as guest memory has them: threads, DPC queue, IRPs in flight, timers, drivers, device tree. */
export function KernelObjects({ topic }: { topic: KernelTopic }) {
  const { value, error } = useView(() => machine.kernel(topic), [topic]);
  if (value === null || error !== null) return <Missing error={error} />;
  if (value.rows.length === 0) return <div class="empty">{EMPTY[topic]}</div>;
  return (
    <table class="rows" data-testid={`kernel-${topic}`}>
      <thead>
        <tr>
          {value.columns.map(c => (
            <th key={c}>{c}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {value.rows.map((row, i) => (
          <tr key={row.address ?? i}>
            {row.cells.map((cell, j) => (
              <td key={j}>
                <Cell cell={cell} row={row} command={COMMANDS[topic]} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cell({ cell, row, command }: { cell: KernelRow['cells'][number]; row: KernelRow; command: string }) {
  if (cell.address === undefined) return <span class="pre">{cell.text}</span>;
  if (cell.address === row.address) return <ObjectLink text={cell.text} command={`${command} ${hexDigits(cell.address)}`} />;
  // What has a symbol's name is code.
  return <Address address={cell.address} text={cell.text} to={cell.text.includes('!') ? 'code' : 'data'} />;
}

const hexDigits = (va: number): string => BigInt.asUintN(64, BigInt(va)).toString(16);
