import { machine, useView } from '../client.ts';
import { Missing } from './panel.tsx';

/** The hardware: every device's registers, decoded. */
export function Devices() {
  const { value, error } = useView(() => machine.devices(), []);
  if (value === null) return <Missing error={error} />;
  return (
    <table class="rows">
      <tbody>
        {value.map(d => (
          <>
            <tr key={d.id}>
              <th colSpan={3}>
                {d.title} <span class="dim">{d.id}</span>
              </th>
            </tr>
            {d.registers.map(r => (
              <tr key={`${d.id}.${r.name}`}>
                <td>{r.name}</td>
                <td>0x{r.value.toString(16)}</td>
                <td class="dim">{r.bits}</td>
              </tr>
            ))}
          </>
        ))}
      </tbody>
    </table>
  );
}
