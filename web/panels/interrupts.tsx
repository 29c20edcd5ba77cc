import { machine, useView } from '../client.ts';
import { Address } from '../link.tsx';
import type { InterruptView } from '../protocol.ts';
import { Missing } from './panel.tsx';

const hex = (v: number, digits = 2): string => `0x${v.toString(16).padStart(digits, '0')}`;
const vectors = (list: readonly number[]): string => (list.length ? list.map(v => hex(v)).join(' ') : 'none');

/** Local APIC, I/O APIC and the IDT. */
export function Interrupts() {
  const { value, error } = useView(() => machine.interrupts(), []);
  if (value === null) return <Missing error={error} />;
  return (
    <div data-testid="interrupts">
      <LocalApic apic={value.apic} />
      <table class="rows">
        <thead>
          <tr>
            <th>I/O APIC pin</th>
            <th>vector</th>
            <th>state</th>
            <th>device</th>
          </tr>
        </thead>
        <tbody>
          {value.ioapic
            .filter(p => !p.masked || p.device !== null)
            .map(p => (
              <tr key={p.pin} class={p.masked ? 'dim' : ''}>
                <td>{p.pin}</td>
                <td>{p.masked ? '' : hex(p.vector)}</td>
                <td>
                  {[
                    p.masked ? 'masked' : p.level ? 'level' : 'edge',
                    p.remoteIrr && 'in service (remote IRR)',
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
            <th>IDT vector</th>
            <th>IRQL</th>
            <th>handler</th>
            <th>service routine</th>
          </tr>
        </thead>
        <tbody>
          {value.idt.map(g => (
            <tr key={g.vector}>
              <td>
                {hex(g.vector)}
                {g.ist ? ` IST${g.ist}` : ''}
                {g.dpl ? ` ring ${g.dpl}` : ''}
              </td>
              <td>{g.vector >= 32 ? g.vector >> 4 : ''}</td>
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
    </div>
  );
}

function LocalApic({ apic }: { apic: InterruptView['apic'] }) {
  return (
    <table class="rows" data-testid="local-apic">
      <thead>
        <tr>
          <th>Local APIC {apic.id}</th>
          <th></th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <td title="requested: waiting to be delivered">IRR</td>
          <td data-register="irr">{vectors(apic.irr)}</td>
        </tr>
        <tr>
          <td title="in service: delivered, no EOI yet">ISR</td>
          <td data-register="isr">{vectors(apic.isr)}</td>
        </tr>
        <tr>
          <td title="task priority: CR8 in its upper four bits">TPR</td>
          <td>
            {hex(apic.tpr)} (IRQL {apic.tpr >> 4})
          </td>
        </tr>
        <tr>
          <td title="processor priority: the higher of TPR and ISR; only classes above it are delivered">PPR</td>
          <td>
            {hex(apic.ppr)} (class {apic.ppr >> 4})
          </td>
        </tr>
        <tr>
          <td>timer</td>
          <td>{apic.timer}</td>
        </tr>
        <tr>
          <td title="local vector table">LVT</td>
          <td class="wrap">{apic.lvt.map(l => `${l.name} ${hex(l.value, 8)}`).join(', ')}</td>
        </tr>
      </tbody>
    </table>
  );
}
