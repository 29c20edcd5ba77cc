/** The line editor: what one key does to a line, and what the terminal is sent for it. Pure functions over plain data. */

/** Longest line in characters. */
export const MAX_LINE = 255;

export interface LineState {
  readonly text: string;
  /** Characters left of the cursor. */
  readonly cursor: number;
  /** How far an escape sequence has come: 0 none, 1 after ESC, 2 after ESC [ (or ESC O). */
  readonly escape: 0 | 1 | 2;
  /** Number that a sequence under way has given so far (`ESC [ 3 ~`). */
  readonly parameter: number;
  /** Lines back in the history; 0 is the line that is being written. */
  readonly back: number;
  /** The line that is being written, while an older one is shown. */
  readonly draft: string;
}

/** Lines entered before: 1 is the latest. */
export interface History {
  readonly count: number;
  line(back: number): string;
}

export interface Edit {
  state: LineState;
  /** For the terminal. */
  echo: string;
  /** `enter`: the line is done; `abandon`: Ctrl+C. */
  action: '' | 'enter' | 'abandon';
}

export const EMPTY_LINE: LineState = { text: '', cursor: 0, escape: 0, parameter: 0, back: 0, draft: '' };

const ETX = 0x03,
  BELL = '\x07',
  BS = 0x08,
  CTRL_A = 0x01,
  CTRL_D = 0x04,
  CTRL_E = 0x05,
  CTRL_K = 0x0b,
  CR = 0x0d,
  LF = 0x0a,
  CTRL_U = 0x15,
  CTRL_W = 0x17,
  ESC = 0x1b,
  DEL = 0x7f;
const ERASE_TO_END = '\x1b[K';

const left = (n: number): string => (n > 0 ? `\x1b[${n}D` : '');
const right = (n: number): string => (n > 0 ? `\x1b[${n}C` : '');

const edit = (state: LineState, echo: string): Edit => ({ state, echo, action: '' });

/** What puts a line with its cursor onto an empty row. */
export const drawLine = (s: LineState): string => s.text + left(s.text.length - s.cursor);

/** Puts another text in place of the whole line, cursor at its end. */
const replace = (s: LineState, text: string, more: Partial<LineState> = {}): Edit =>
  edit({ ...s, text, cursor: text.length, ...more }, left(s.cursor) + ERASE_TO_END + text);

/** Takes the characters from `from` to `to` out. */
function remove(s: LineState, from: number, to: number): Edit {
  if (from >= to) return edit(s, '');
  const tail = s.text.slice(to);
  return edit(
    { ...s, text: s.text.slice(0, from) + tail, cursor: from },
    left(s.cursor - from) + right(from - s.cursor) + ERASE_TO_END + tail + left(tail.length),
  );
}

function insert(s: LineState, character: string): Edit {
  if (s.text.length >= MAX_LINE) return edit(s, BELL);
  const tail = s.text.slice(s.cursor);
  return edit(
    { ...s, text: s.text.slice(0, s.cursor) + character + tail, cursor: s.cursor + 1 },
    character + tail + left(tail.length),
  );
}

function moveTo(s: LineState, cursor: number): Edit {
  const to = Math.max(0, Math.min(s.text.length, cursor));
  return edit({ ...s, cursor: to }, left(s.cursor - to) + right(to - s.cursor));
}

function recall(s: LineState, back: number, history: History): Edit {
  if (back < 0 || back > history.count) return edit(s, '');
  const draft = s.back === 0 ? s.text : s.draft;
  return replace(s, back === 0 ? draft : history.line(back), { back, draft });
}

/** Start of the word left of the cursor, as Ctrl+W takes it. */
function wordStart(s: LineState): number {
  let at = s.cursor;
  while (at > 0 && s.text[at - 1] === ' ') at--;
  while (at > 0 && s.text[at - 1] !== ' ') at--;
  return at;
}

/** The last byte of a control sequence (ECMA-48): the keys that terminals send. */
function controlSequence(s: LineState, final: string, history: History): Edit {
  switch (final === '~' ? { 1: 'H', 3: 'delete', 4: 'F', 7: 'H', 8: 'F' }[s.parameter] : final) {
    case 'A':
      return recall(s, s.back + 1, history);
    case 'B':
      return recall(s, s.back - 1, history);
    case 'C':
      return moveTo(s, s.cursor + 1);
    case 'D':
      return moveTo(s, s.cursor - 1);
    case 'H':
      return moveTo(s, 0);
    case 'F':
      return moveTo(s, s.text.length);
    case 'delete':
      return remove(s, s.cursor, Math.min(s.cursor + 1, s.text.length));
    default:
      return edit(s, '');
  }
}

/** What a key (a byte from the terminal) does. A byte that means nothing changes nothing. */
export function editKey(s: LineState, key: number, history: History): Edit {
  if (s.escape === 1) {
    const sequence = key === 0x5b || key === 0x4f;
    return edit({ ...s, escape: sequence ? 2 : 0, parameter: 0 }, '');
  }
  if (s.escape === 2) {
    if (key >= 0x30 && key <= 0x39) return edit({ ...s, parameter: Math.min(99, s.parameter * 10 + key - 0x30) }, '');
    // Other parameter and intermediate bytes are passed over; 40h to 7Eh ends the sequence.
    if (key >= 0x20 && key < 0x40) return edit(s, '');
    const done: LineState = { ...s, escape: 0 };
    return key < 0x20 || key > 0x7e ? editKey(done, key, history) : controlSequence(done, String.fromCharCode(key), history);
  }
  switch (key) {
    case ESC:
      return edit({ ...s, escape: 1 }, '');
    case CR:
    case LF:
      return { state: s, echo: '\r\n', action: 'enter' };
    case ETX:
      return { state: EMPTY_LINE, echo: '^C\r\n', action: 'abandon' };
    case BS:
    case DEL:
      return remove(s, Math.max(0, s.cursor - 1), s.cursor);
    case CTRL_D:
      return remove(s, s.cursor, Math.min(s.cursor + 1, s.text.length));
    case CTRL_U:
      return remove(s, 0, s.cursor);
    case CTRL_K:
      return remove(s, s.cursor, s.text.length);
    case CTRL_W:
      return remove(s, wordStart(s), s.cursor);
    case CTRL_A:
      return moveTo(s, 0);
    case CTRL_E:
      return moveTo(s, s.text.length);
    default:
      return key >= 0x20 && key < 0x7f ? insert(s, String.fromCharCode(key)) : edit(s, '');
  }
}
