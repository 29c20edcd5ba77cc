import { machine, useView } from '../client.ts';
import { asAddress, hex64, irqlName } from '../format.ts';
import { Address } from '../link.tsx';
import { Missing, Panel } from './panel.tsx';

/** General registers, flags and control registers; what changed since the last stop is marked. */
export function Registers() {
  const { value, error } = useView(() => machine.cpu(), []);
  return (
    <Panel
      title="Registers"
      testid="registers"
      tools={
        value && (
          <span class="dim">
            CPL {value.cpl}, IRQL {irqlName(value.irql)}
          </span>
        )
      }
    >
      {value === null ? (
        <Missing error={error} />
      ) : (
        <>
          <div class="registers">
            {value.registers.map(r => {
              const address = asAddress(r.value);
              return (
                <div class="reg" key={r.name} data-register={r.name}>
                  <b>{r.name}</b>
                  <span class={r.changed ? 'changed' : ''}>
                    {address === null ? hex64(r.value) : <Address address={address} to={r.name === 'rip' ? 'code' : 'data'} />}
                  </span>
                  {r.symbol && <span class="dim">{r.symbol}</span>}
                </div>
              );
            })}
          </div>
          <div class="flags">
            {value.flags.map(f => (
              <span key={f.name} class={`${f.set ? 'set' : ''} ${f.changed ? 'changed' : ''}`}>
                {f.name}
              </span>
            ))}
          </div>
          <div class="registers">
            {value.control.map(r => (
              <div class="reg" key={r.name}>
                <b>{r.name}</b>
                <span>{hex64(r.value)}</span>
              </div>
            ))}
          </div>
        </>
      )}
    </Panel>
  );
}
