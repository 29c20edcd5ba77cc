/** The line that is being edited and the lines before it, in the kernel's variables: what the editor's pure functions work on lies there between two keys. */
import type { Kernel } from '../kernel.ts';
import { type History, type LineState, MAX_LINE } from './edit.ts';
import { CON_HISTORY_LINES, CON_LINE_SIZE } from './globals.ts';

if (MAX_LINE >= CON_LINE_SIZE) throw new Error('a line does not fit into its slot');

function readSlot(k: Kernel, at: number): string {
  const bytes = k.mem.readBytes(at, CON_LINE_SIZE);
  const end = bytes.indexOf(0);
  return Array.from(bytes.subarray(0, end < 0 ? CON_LINE_SIZE : end), b => String.fromCharCode(b)).join('');
}

const writeSlot = (k: Kernel, at: number, text: string): void =>
  k.mem.writeBytes(
    at,
    Uint8Array.from(`${text}\0`, c => c.charCodeAt(0)),
  );

export function loadLine(k: Kernel): LineState {
  const { global: g } = k;
  return {
    text: readSlot(k, g.address('ConLine')),
    cursor: g.get('ConLineCursor'),
    escape: g.get('ConLineEscape') as LineState['escape'],
    parameter: g.get('ConLineParameter'),
    back: g.get('ConLineBack'),
    draft: readSlot(k, g.address('ConDraft')),
  };
}

export function storeLine(k: Kernel, s: LineState): void {
  const { global: g } = k;
  writeSlot(k, g.address('ConLine'), s.text);
  writeSlot(k, g.address('ConDraft'), s.draft);
  g.set('ConLineCursor', s.cursor);
  g.set('ConLineEscape', s.escape);
  g.set('ConLineParameter', s.parameter);
  g.set('ConLineBack', s.back);
}

const slotOf = (k: Kernel, line: number): number => k.global.address('ConHistory') + (line % CON_HISTORY_LINES) * CON_LINE_SIZE;

export function history(k: Kernel): History {
  const entered = k.global.get('ConHistoryCount');
  return { count: Math.min(entered, CON_HISTORY_LINES), line: back => readSlot(k, slotOf(k, entered - back)) };
}

/** Remembers a line that was entered, unless it is empty or the same as the one before. */
export function remember(k: Kernel, text: string): void {
  const h = history(k);
  if (text === '' || (h.count > 0 && h.line(1) === text)) return;
  const entered = k.global.get('ConHistoryCount');
  writeSlot(k, slotOf(k, entered), text);
  k.global.set('ConHistoryCount', entered + 1);
}
