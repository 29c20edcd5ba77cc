import { machine, useView } from '../client.ts';
import { useFocus } from '../focus.ts';
import { hexAddress, hexByte } from '../format.ts';
import { GoTo } from './disassembly.tsx';
import { Missing } from './panel.tsx';

const LENGTH = 512;

/** Bytes at the address in focus (RSP when there is none). */
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
      onError(e instanceof Error ? e.message : String(e));
    }
  };
  if (value === null) return <Missing error={error} />;
  const rows: number[][] = [];
  for (let i = 0; i < value.bytes.length; i += 16) rows.push(value.bytes.slice(i, i + 16));
  return (
    <>
      <div class="notice">
        <GoTo placeholder="address, symbol or register" onGo={go} />
        <button onClick={() => showData(value.address - LENGTH)} aria-label="earlier">
          ▲
        </button>
        <button onClick={() => showData(value.address + LENGTH)} aria-label="later">
          ▼
        </button>
        <span class="dim">{value.note ?? value.symbol ?? ''}</span>
      </div>
      <div class="hex">
        {rows.map((row, i) => (
          <div key={i}>
            <span class="dim">{hexAddress(value.address + i * 16)}</span>
            {'  '}
            {row.map((b, j) => (b < 0 ? '??' : hexByte(b)) + (j === 7 ? '-' : ' ')).join('')}{' '}
            {row.map(b => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('')}
          </div>
        ))}
      </div>
    </>
  );
}
