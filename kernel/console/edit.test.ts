import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawLine, EMPTY_LINE, editKey, type History, type LineState, MAX_LINE } from './edit.ts';

const noHistory: History = { count: 0, line: back => `unexpected ${back}` };
const past = (...lines: string[]): History => ({ count: lines.length, line: back => lines[lines.length - back]! });

/** Types text (`\x1b[A` and the like included) and gives the last edit with everything that was echoed. */
function type(text: string, history: History = noHistory, from: LineState = EMPTY_LINE) {
  let state = from;
  let echo = '';
  const actions: string[] = [];
  for (const c of text) {
    const e = editKey(state, c.charCodeAt(0), history);
    state = e.state;
    echo += e.echo;
    if (e.action) actions.push(e.action);
  }
  return { state, echo, actions };
}

/** A terminal row: what the echo makes of it. Knows what the editor sends. */
function row(echo: string) {
  let cells: string[] = [];
  let at = 0;
  for (let i = 0; i < echo.length;) {
    const m = /^\x1b\[(\d*)([CDK])/.exec(echo.slice(i));
    if (m) {
      const n = Number(m[1] || 1);
      if (m[2] === 'C') at += n;
      else if (m[2] === 'D') at -= n;
      else cells = cells.slice(0, at);
      i += m[0].length;
    } else {
      if (echo[i] !== '\x07') cells[at++] = echo[i]!;
      i++;
    }
  }
  return { text: cells.join(''), at };
}

describe('line editor', () => {
  it('inserts where the cursor is', () => {
    const r = type('hllo\x1b[D\x1b[D\x1b[De');
    expect(r.state).toMatchObject({ text: 'hello', cursor: 2 });
    expect(row(r.echo)).toEqual({ text: 'hello', at: 2 });
  });

  it('takes characters away left of the cursor, at it, and nothing at the ends', () => {
    expect(type('ab\x7f\x08\x08c').state.text).toBe('c');
    expect(type('abc\x01\x1b[3~').state).toMatchObject({ text: 'bc', cursor: 0 });
    expect(type('abc\x1b[3~').state.text).toBe('abc');
    expect(type('abc\x1b[D\x15').state).toMatchObject({ text: 'c', cursor: 0 });
    expect(type('abc\x01\x1b[C\x0b').state.text).toBe('a');
    expect(type('load  echo \x17').state.text).toBe('load  ');
  });

  it('stays inside the line', () => {
    expect(type('ab\x1b[C\x1b[C').state.cursor).toBe(2);
    expect(type('ab\x1b[D\x1b[D\x1b[D').state.cursor).toBe(0);
    expect(type('abc\x1b[H').state.cursor).toBe(0);
    expect(type('abc\x1bOH\x1bOF').state.cursor).toBe(3);
  });

  it('ends with Enter and is abandoned with Ctrl+C', () => {
    expect(type('help\r')).toMatchObject({ actions: ['enter'], state: { text: 'help' } });
    expect(type('help\x03')).toMatchObject({ actions: ['abandon'], state: EMPTY_LINE, echo: 'help^C\r\n' });
  });

  it('goes through the history and comes back to the line that was being written', () => {
    const h = past('one', 'two');
    expect(type('dra\x1b[A', h).state).toMatchObject({ text: 'two', back: 1, cursor: 3 });
    expect(type('dra\x1b[A\x1b[A\x1b[A', h).state).toMatchObject({ text: 'one', back: 2 });
    const back = type('dra\x1b[A\x1b[A\x1b[B\x1b[B\x1b[B', h);
    expect(back.state).toMatchObject({ text: 'dra', back: 0 });
    expect(row(back.echo)).toEqual({ text: 'dra', at: 3 });
  });

  it('passes unknown sequences and control characters over', () => {
    expect(type('a\x1b[5;2Zb\x00\x1bxc').state.text).toBe('abc');
  });

  it('rings when the line is full', () => {
    const r = type('x'.repeat(MAX_LINE + 2));
    expect(r.state.text.length).toBe(MAX_LINE);
    expect(r.echo.endsWith('\x07\x07')).toBe(true);
  });

  it('keeps the screen and the line the same, whatever is typed', () => {
    const keys = fc.constantFrom(
      'a',
      'b',
      ' ',
      '\x7f',
      '\x04',
      '\x15',
      '\x0b',
      '\x17',
      '\x01',
      '\x05',
      '\x1b[A',
      '\x1b[B',
      '\x1b[C',
      '\x1b[D',
      '\x1b[3~',
      '\x1b[H',
      '\x1b[F',
    );
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 60 }), typed => {
        const r = type(typed.join(''), past('first line', 'x'));
        expect(row(r.echo)).toEqual({ text: r.state.text, at: r.state.cursor });
        expect(row(drawLine(r.state))).toEqual({ text: r.state.text, at: r.state.cursor });
      }),
    );
  });
});
