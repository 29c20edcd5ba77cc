/** What goes to the screen: text of the console's own, and the debugger output of drivers, which must never wait. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolTag } from '../ob/globals.ts';
import { NonPagedPoolNx } from '../types/mm.ts';
import { CON_OUTPUT_SIZE } from './globals.ts';
import { outputRoom, outputUsed, putOutput } from './ring.ts';
import { startTransmitting, wakeConsole } from './uart.ts';

const TAG = poolTag('ConT');
/** Bytes of the ring that texts leave free: for a mark, `[4294967295 characters dropped]` with what goes before and after. */
const RESERVE = 40;
/** Back to the left edge and clear the line (ECMA-48: EL). */
export const CLEAR_LINE = '\r\x1b[K';

/** Text as a terminal wants it: lines end with CR LF; what a driver must not do to the screen (escapes, other controls) and what is not ASCII becomes `?`. */
export function terminalText(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n').replace(/[^\t\r\n\x20-\x7e]/g, '?');
}

const toBytes = (text: string): Uint8Array => Uint8Array.from(text, c => c.charCodeAt(0));

function put(k: Kernel, text: string): void {
  if (text === '') return;
  putOutput(k, toBytes(text));
  k.global.set('ConMidLine', text.endsWith('\n') ? 0 : 1);
  startTransmitting(k);
}

/** Writes short text of the console's own (echo, prompt), for which the caller has seen to room. */
export const writeScreen = put;

/** What ends a line that a text was cut off in, or that a driver has not ended. */
const freshLine = (k: Kernel): string => (k.global.get('ConMidLine') !== 0 && k.global.get('ConAtPrompt') === 0 ? '\r\n' : '');

/** Text that comes in between: a line that is being edited goes out of the way, and the console's thread draws it again below. */
function interject(k: Kernel, text: string): void {
  let prefix = '';
  if (k.global.get('ConAtPrompt') !== 0) {
    k.global.set('ConAtPrompt', 0);
    k.global.set('ConRedraw', 1);
    prefix = CLEAR_LINE;
  }
  put(k, prefix + text);
  // A driver may print a line in several pieces: the prompt waits for its end.
  if (k.global.get('ConRedraw') !== 0 && text.endsWith('\n')) wakeConsole(k);
}

/**
 * Says how much driver's text was lost: once the ring is half empty, so that there are few marks, or (`now`) before other text follows. The texts of drivers leave
 * room for a mark.
 */
export function putMark(k: Kernel, now = false): void {
  const dropped = k.global.get('ConDropped');
  if (dropped === 0 || outputRoom(k) < RESERVE || (!now && outputUsed(k) > CON_OUTPUT_SIZE / 2)) return;
  k.global.set('ConDropped', 0);
  interject(k, `${freshLine(k)}[${dropped} characters dropped]\r\n`);
}

/** Debugger output of a driver, at any IRQL: what fits into the ring is sent, the rest is dropped and a mark says so. */
export function conDebugText(k: Kernel, text: string): void {
  if (k.global.get('ConPresent') === 0 || text === '') return;
  putMark(k);
  const wanted = terminalText(text);
  const room = Math.max(0, outputRoom(k) - RESERVE - CLEAR_LINE.length);
  const fitting = k.global.get('ConDropped') !== 0 ? '' : wanted.slice(0, room);
  if (fitting.length < wanted.length) k.global.set('ConDropped', k.global.get('ConDropped') + wanted.length - fitting.length);
  if (fitting !== '') interject(k, fitting);
}

/**
 * Gives lines to the screen in as many pieces as it takes. Only one text can be on its way: the thread sends it all before it does anything else. Without pool for
 * it, a line says so.
 */
export function say(k: Kernel, lines: readonly string[]): void {
  if (k.global.get('ConText') !== 0) throw new Error('the console has text on its way already');
  if (lines.length === 0) return;
  putMark(k, true);
  const clear = k.global.get('ConAtPrompt') !== 0 ? CLEAR_LINE : freshLine(k);
  const text = toBytes(clear + lines.map(line => `${terminalText(line)}\r\n`).join(''));
  k.global.set('ConAtPrompt', 0);
  const block = exAllocatePool(k, NonPagedPoolNx, text.length, TAG);
  if (block === 0) {
    const sorry = '[no nonpaged pool for the output]\r\n';
    if (outputRoom(k) >= sorry.length) put(k, sorry);
    return;
  }
  k.mem.writeBytes(block, text);
  k.global.set('ConText', block);
  k.global.set('ConTextLength', text.length);
  k.global.set('ConTextSent', 0);
}

/** Bytes of a text that one pass of the thread moves, so that interrupts get in between. */
const PIECE = 256;

/** Moves a piece of the text that is on its way into the ring, as much as fits: the number of bytes moved. */
export function sendText(k: Kernel): number {
  const block = k.global.get('ConText');
  const length = k.global.get('ConTextLength');
  const sent = k.global.get('ConTextSent');
  const now = Math.min(PIECE, length - sent, Math.max(0, outputRoom(k) - RESERVE));
  const bytes = k.mem.readBytes(block + sent, now);
  putOutput(k, bytes);
  startTransmitting(k);
  if (now > 0) k.global.set('ConMidLine', bytes[now - 1] === 0x0a ? 0 : 1);
  if (sent + now === length) dropText(k);
  else k.global.set('ConTextSent', sent + now);
  return now;
}

/** Forgets the rest of the text that is on its way. */
export function dropText(k: Kernel): void {
  const block = k.global.get('ConText');
  if (block !== 0) exFreePool(k, block, TAG);
  k.global.set('ConText', 0);
}
