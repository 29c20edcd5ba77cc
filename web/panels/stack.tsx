import { machine, useView } from '../client.ts';
import { asAddress, hex64 } from '../format.ts';
import { Address } from '../link.tsx';
import { Missing, Panel } from './panel.tsx';

/** The stack from RSP up; return addresses that the stack walk found are bold. */
export function Stack() {
  const { value, error } = useView(() => machine.stack(48), []);
  return (
    <Panel title="Stack" testid="stack">
      {value === null ? (
        <Missing error={error} />
      ) : (
        <table class="rows">
          <tbody>
            {value.map(line => {
              const target = asAddress(line.value);
              return (
                <tr key={line.address} class={line.frame ? 'frame' : ''}>
                  <td>
                    <Address address={line.address} />
                  </td>
                  <td>
                    {target === null || target === 0 ? (
                      hex64(line.value)
                    ) : (
                      <Address address={target} to={line.symbol ? 'code' : 'data'} />
                    )}
                  </td>
                  <td class="dim">{line.symbol}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
