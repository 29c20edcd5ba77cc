import { machine, useView } from '../client.ts';
import { asAddress, hex64 } from '../format.ts';
import { Address } from '../link.tsx';
import { Missing, Panel } from './panel.tsx';

const SLOTS = 64;

/** The stack from RSP up; return addresses that the stack walk found are bold. */
export function Stack() {
  const { value, error } = useView(() => machine.stack(SLOTS), []);
  return (
    <Panel title="Stack" testid="stack" tools={<span class="dim hint">bold: return addresses</span>}>
      {value === null ? (
        <Missing error={error} />
      ) : value.length === 0 ? (
        <div class="empty">RSP points to memory that is not mapped</div>
      ) : (
        <table class="rows">
          <tbody>
            {value.map((line, i) => {
              const target = asAddress(line.value);
              return (
                <tr key={line.address} class={line.frame ? 'frame' : ''}>
                  <td>
                    <Address address={line.address} text={`+${(i * 8).toString(16).padStart(2, '0')}`} />
                  </td>
                  <td>
                    {target === null || (target >= 0 && target < 0x10000) ? (
                      hex64(line.value)
                    ) : (
                      <Address address={target} to={line.symbol ? 'code' : 'data'} />
                    )}
                  </td>
                  <td class={line.frame ? '' : 'dim'}>{line.symbol}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
