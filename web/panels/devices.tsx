import { Fragment } from 'preact';
import { machine, useView } from '../client.ts';
import { Missing } from './panel.tsx';

/** The hardware: every device's registers, decoded. */
export function Devices() {
  const { value, error } = useView(() => machine.devices(), []);
  if (value === null) return <Missing error={error} />;
  return (
    <table class="rows" data-testid="devices">
      <tbody>
        {value.map(d => (
          <Fragment key={d.id}>
            <tr class="section">
              <th colSpan={3}>
                {d.title} <span class="dim">{d.id}</span>
              </th>
            </tr>
            {d.registers.length === 0 && (
              <tr>
                <td colSpan={3} class="dim">
                  no registers to show
                </td>
              </tr>
            )}
            {d.registers.map(r => (
              <tr key={r.name}>
                <td>{r.name}</td>
                <td>0x{r.value.toString(16)}</td>
                <td class="dim">{r.bits}</td>
              </tr>
            ))}
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}
