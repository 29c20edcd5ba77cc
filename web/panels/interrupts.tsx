import { machine, useView } from '../client.ts';
import { Address } from '../link.tsx';
import { Missing } from './panel.tsx';

const vectors = (list: readonly number[]): string => (list.length ? list.map(v => `0x${v.toString(16)}`).join(' ') : '—');

/** Local APIC, I/O APIC and the IDT. */
export function Interrupts() {
  const { value, error } = useView(() => machine.interrupts(), []);
  if (value === null) return <Missing error={error} />;
  const { apic } = value;
  return (
    <>
      <table class="rows">
        <tbody>
          <tr>
            <th colSpan={2}>Local APIC {apic.id}</th>
          </tr>
          <tr>
            <td>TPR</td>
            <td>
              0x{apic.tpr.toString(16)} (IRQL {apic.tpr >> 4})
            </td>
          </tr>
          <tr>
            <td>PPR</td>
            <td>0x{apic.ppr.toString(16)}</td>
          </tr>
          <tr>
            <td>IRR (requested)</td>
            <td>{vectors(apic.irr)}</td>
          </tr>
          <tr>
            <td>ISR (in service)</td>
            <td>{vectors(apic.isr)}</td>
          </tr>
          <tr>
            <td>Timer</td>
            <td>{apic.timer}</td>
          </tr>
          {apic.lvt.map(l => (
            <tr key={l.name}>
              <td>LVT {l.name}</td>
              <td>0x{l.value.toString(16).padStart(8, '0')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <table class="rows">
        <thead>
          <tr>
            <th>I/O APIC pin</th>
            <th>vector</th>
            <th></th>
            <th>device</th>
          </tr>
        </thead>
        <tbody>
          {value.ioapic
            .filter(p => !p.masked || p.line)
            .map(p => (
              <tr key={p.pin}>
                <td>{p.pin}</td>
                <td>0x{p.vector.toString(16)}</td>
                <td>
                  {[
                    p.masked && 'masked',
                    p.level ? 'level' : 'edge',
                    p.line && 'line high',
                    p.remoteIrr && 'remote IRR',
                    p.pending && 'pending',
                  ]
                    .filter(Boolean)
                    .join(', ')}
                </td>
                <td>{p.device}</td>
              </tr>
            ))}
        </tbody>
      </table>
      <table class="rows">
        <thead>
          <tr>
            <th>Vector</th>
            <th>handler</th>
            <th>service routine</th>
          </tr>
        </thead>
        <tbody>
          {value.idt.map(g => (
            <tr key={g.vector}>
              <td>
                0x{g.vector.toString(16).padStart(2, '0')}
                {g.ist ? ` IST${g.ist}` : ''}
                {g.dpl ? ` DPL${g.dpl}` : ''}
              </td>
              <td>
                <Address address={g.handler} text={g.symbol ?? undefined} to="code" />
              </td>
              <td>
                {g.serviceAddress !== null && <Address address={g.serviceAddress} text={g.service ?? undefined} to="code" />}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
