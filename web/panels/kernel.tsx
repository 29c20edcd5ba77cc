import { machine, useView } from '../client.ts';
import { Address } from '../link.tsx';
import type { KernelTopic } from '../protocol.ts';
import { Missing } from './panel.tsx';

/** A table of kernel objects as guest memory has them: threads, DPC queue, IRPs in flight, timers, drivers, device tree. */
export function KernelObjects({ topic }: { topic: KernelTopic }) {
  const { value, error } = useView(() => machine.kernel(topic), [topic]);
  if (value === null) return <Missing error={error} />;
  if (value.rows.length === 0) return <div class="empty">none at the moment</div>;
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
              <td key={j}>{cell.address === undefined ? cell.text : <Address address={cell.address} text={cell.text} />}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
