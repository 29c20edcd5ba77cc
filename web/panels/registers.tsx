import { machine, useStatus, useView } from '../client.ts';
import { asAddress, hex64 } from '../format.ts';
import { Address } from '../link.tsx';
import type { RegisterView } from '../protocol.ts';
import { Missing, Panel } from './panel.tsx';

/** General registers, flags and control registers; what changed since the last stop is marked. */
export function Registers() {
  const { value, error } = useView(() => machine.cpu(), []);
  const several = useStatus(s => s.processors.length > 1);
  const cpu = useStatus(s => s.cpu);
  return (
    <Panel
      title={several ? `Registers of P${cpu}` : 'Registers'}
      testid="registers"
      tools={value && <span class="dim">ring {value.cpl}</span>}
    >
      {value === null ? (
        <Missing error={error} />
      ) : (
        <div>
          <div class="registers">
            {value.registers.map(r => (
              <Register key={r.name} register={r} />
            ))}
          </div>
          <div class="flags" title="RFLAGS: what is set is bright">
            {value.flags.map(f => (
              <span key={f.name} class={`${f.set ? 'set' : ''} ${f.changed ? 'changed' : ''}`}>
                {f.name}
              </span>
            ))}
          </div>
          <div class="registers control">
            {value.control.map(r => (
              <div class="reg" key={r.name}>
                <b>{r.name}</b>
                <span>{hex64(r.value)}</span>
              </div>
            ))}
          </div>
        </div>
      )}
    </Panel>
  );
}

function Register({ register: r }: { register: RegisterView }) {
  const address = asAddress(r.value);
  // Small numbers are no addresses that anybody wants to see.
  const link = address !== null && (address < 0 || address >= 0x10000);
  return (
    <div class={r.name === 'rip' ? 'reg wide' : 'reg'} data-register={r.name} title={r.symbol ?? undefined}>
      <b>{r.name}</b>
      <span class={r.changed ? 'changed' : ''}>
        {link ? <Address address={address} to={r.name === 'rip' || r.symbol ? 'code' : 'data'} /> : hex64(r.value)}
      </span>
      {r.name === 'rip' && <span class="dim symbol">{r.symbol}</span>}
    </div>
  );
}
