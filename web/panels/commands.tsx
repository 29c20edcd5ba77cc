import { useEffect, useRef, useState } from 'preact/hooks';
import { errorText, machine } from '../client.ts';
import { useFocus } from '../focus.ts';
import { Address } from '../link.tsx';
import { pieces } from '../linked.ts';

const WELCOME =
  'Commands of a kernel debugger, read from the machine as it stands: help lists them. Try  lm   !process 0 0   !irp   k   dt nt!_IRP';
const KEPT = 3000;

/** Debugger commands and what they print. Addresses and symbols in the text are links. `given` is a command that a click elsewhere asked for. */
export function Commands({ given, shown }: { given: { text: string } | null; shown: boolean }) {
  const [lines, setLines] = useState<string[]>([WELCOME]);
  const input = useRef<HTMLInputElement>(null);
  const output = useRef<HTMLPreElement>(null);
  const history = useRef<{ list: string[]; at: number }>({ list: [], at: 0 });

  const run = async (command: string): Promise<void> => {
    history.current.list.push(command);
    history.current.at = history.current.list.length;
    const answer = await machine.command(command).catch(e => [errorText(e)]);
    setLines(old => [...old, `kd> ${command}`, ...answer].slice(-KEPT));
  };
  useEffect(() => {
    if (given) void run(given.text);
  }, [given]);
  useEffect(() => {
    output.current!.scrollTop = output.current!.scrollHeight;
  }, [lines, shown]);

  const onKey = (event: KeyboardEvent): void => {
    const field = input.current!,
      { list } = history.current;
    if (event.key === 'Enter') {
      const text = field.value.trim();
      field.value = '';
      if (text !== '') void run(text);
    } else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      event.preventDefault();
      const at = Math.min(list.length, Math.max(0, history.current.at + (event.key === 'ArrowUp' ? -1 : 1)));
      history.current.at = at;
      field.value = list[at] ?? '';
    }
  };

  return (
    <div class="commands">
      <pre class="hex" ref={output} data-testid="command-output" tabIndex={0}>
        {lines.map((line, i) => (
          <div key={i} class={line.startsWith('kd> ') ? 'asked' : ''}>
            <Linked line={line} />
          </div>
        ))}
      </pre>
      <div class="ask">
        <span class="mono">kd&gt;</span>
        <input
          ref={input}
          onKeyDown={onKey}
          aria-label="debugger command"
          spellcheck={false}
          autocomplete="off"
          data-testid="command"
        />
      </div>
    </div>
  );
}

function Linked({ line }: { line: string }) {
  const { showCode, fail } = useFocus();
  return (
    <>
      {pieces(line).map((piece, i) =>
        piece.kind === 'address' ? (
          <Address key={i} address={piece.address} text={piece.text} />
        ) : piece.kind === 'symbol' ? (
          <a
            key={i}
            class="address"
            href="#"
            title="show the code"
            onClick={event => {
              event.preventDefault();
              machine.evaluate(piece.text).then(showCode, e => fail(errorText(e)));
            }}
          >
            {piece.text}
          </a>
        ) : (
          piece.text
        ),
      )}
    </>
  );
}
