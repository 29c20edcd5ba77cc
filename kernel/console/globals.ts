import { KDPC, KEVENT } from '../types/ke.ts';
import { LIST_ENTRY, TIME_FIELDS } from '../types/rtl.ts';
import { array, ptr, u32, u8 } from '../types/struct.ts';

/** Sizes of the rings in bytes: powers of two, because heads and tails are counters that wrap at 2^32. */
export const CON_INPUT_SIZE = 0x100,
  CON_OUTPUT_SIZE = 0x2000;
/** Bytes of a line slot: its characters and a zero. */
export const CON_LINE_SIZE = 0x100;
/** Lines that are remembered. */
export const CON_HISTORY_LINES = 16;

/** Variables of the console in ntoskrnl's .data; `kernel/globals.ts` joins them into one structure. Names carry the prefix Con. */
export const consoleGlobals = {
  /** The UART is there and its interrupt is connected. */
  ConPresent: u8,
  /** The UART interrupts when it can take more. */
  ConTransmitting: u8,
  /** Prompt and line stand on the screen as they are in memory. */
  ConAtPrompt: u8,
  /** Driver's text has gone over them: the thread is to draw them again below. */
  ConRedraw: u8,
  /** The last character sent was no end of a line. */
  ConMidLine: u8,
  /** The thread waits for room in the output ring. */
  ConWantsRoom: u8,
  /** Characters of driver's text that did not fit since the last mark. */
  ConDropped: u32,
  /** Signaled by the DPC (input, room, a line to draw again) and by the requester (a reply). */
  ConEvent: KEVENT,
  ConDpc: KDPC,
  ConInterrupt: ptr,
  /** Bytes ever put into a ring (tail) and taken from it (head); byte n is at n mod size. */
  ConInputHead: u32,
  ConInputTail: u32,
  ConOutputHead: u32,
  ConOutputTail: u32,
  ConInput: array(u8, CON_INPUT_SIZE),
  ConOutput: array(u8, CON_OUTPUT_SIZE),
  /** Text of a command on its way to the screen: a pool block, its length, how much of it is in the ring. */
  ConText: ptr,
  ConTextLength: u32,
  ConTextSent: u32,
  /** The line that is being edited: see edit.ts. */
  ConLine: array(u8, CON_LINE_SIZE),
  ConDraft: array(u8, CON_LINE_SIZE),
  ConLineCursor: u32,
  ConLineBack: u32,
  ConLineEscape: u8,
  ConLineParameter: u8,
  /** Lines ever entered; line n is in slot n mod CON_HISTORY_LINES. */
  ConHistoryCount: u32,
  ConHistory: array(u8, CON_LINE_SIZE * CON_HISTORY_LINES),
  /** Requests that commands have made and that have not ended: CON_REQUESTs, oldest first. */
  ConRequestListHead: LIST_ENTRY,
  /** Numbers given to them so far. */
  ConRequestCount: u32,
  /** The one that the prompt waits for, or 0. */
  ConForeground: ptr,
  /** For `time`. */
  ConTimeFields: TIME_FIELDS,
} as const;
