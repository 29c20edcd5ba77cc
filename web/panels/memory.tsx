import { errorText, machine, useView } from '../client.ts';
import { useFocus } from '../focus.ts';
import { hexAddress, hexByte } from '../format.ts';
import { Icon } from '../icons.tsx';
import { GoTo } from './goto.tsx';
import { Missing } from './panel.tsx';

const LENGTH = 512;
const ROW = 16;

/** Bytes at the address in focus; without one, at RSP. */
export function Memory({ onError }: { onError(message: string): void }) {
  const { focus, showData } = useFocus();
  const { value, error } = useView(
    async () => machine.memory(focus.data ?? (await machine.evaluate('rsp')), LENGTH),
    [focus.data],
  );
  const go = async (expression: string): Promise<void> => {
    try {
      showData(await machine.evaluate(expression));
    } catch (e) {
      onError(errorText(e));
    }
  };
  if (value === null) return <Missing error={error} />;
  const rows = Array.from({ length: Math.ceil(value.bytes.length / ROW) }, (_, i) => value.bytes.slice(i * ROW, (i + 1) * ROW));
  return (
    <>
      <div class="tools">
        <GoTo placeholder="address, symbol or register" onGo={text => void go(text)} />
        <button class="bare" onClick={() => showData(value.address - LENGTH)} aria-label="earlier" title="Earlier">
          <Icon name="up" />
        </button>
        <button class="bare" onClick={() => showData(value.address + LENGTH)} aria-label="later" title="Later">
          <Icon name="down" />
        </button>
        {focus.data !== null && (
          <button class="small" onClick={() => showData(null)} title="Follow the stack pointer">
            At RSP
          </button>
        )}
        <span class="dim mono">{value.symbol ?? (focus.data === null ? 'at the stack pointer' : '')}</span>
      </div>
      <div class="hex" data-testid="memory">
        {rows.map((row, i) => (
          <div key={i}>
            <span class="dim">{hexAddress(value.address + i * ROW)}</span>{' '}
            {row.map((b, j) => (b < 0 ? '??' : hexByte(b)) + (j === 7 ? '-' : ' ')).join('')}
            <span class="chars">{row.map(b => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('')}</span>
          </div>
        ))}
      </div>
    </>
  );
}
