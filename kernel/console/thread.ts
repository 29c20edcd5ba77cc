/** The console's thread: waits for its event, and on each pass does the next thing that is to be done. Everything it remembers is in the kernel's variables. */
import { next, type Outcome, wait } from '../exports/declare.ts';
import { keWait } from '../ke/wait.ts';
import type { Kernel } from '../kernel.ts';
import { initializeListHead } from '../ke/list.ts';
import { runCommand } from './commands.ts';
import { drawLine, EMPTY_LINE, editKey } from './edit.ts';
import { history, loadLine, remember, storeLine } from './line.ts';
import { leaveForeground, patience, requestNews } from './requests.ts';
import { outputRoom, takeInput, takeInputThrough } from './ring.ts';
import { dropText, putMark, say, sendText, writeScreen } from './screen.ts';
import { count } from './text.ts';

const PROMPT = 'kmode> ';
const CTRL_C = 3;
/** What a key may echo at most, with the prompt and a mark: a line twice over, and cursor movements. */
const ECHO_ROOM = 0x400;
/** Cycles for a byte of output or a key, and for one look at what is to be done. */
const BYTE_CYCLES = 8,
  KEY_CYCLES = 200,
  LOOK_CYCLES = 100,
  COMMAND_CYCLES = 2000;

/** Text that greets: the kernel, the machine. */
function banner(k: Kernel): string[] {
  const ram = `${Math.round(k.config.ramBytes / 0x100000)} MiB of RAM`;
  return [
    '',
    `kmode: NT kernel 10.0.19045 for x64, ${ram}, ${count(k.platform.cpus.length, 'processor')}`,
    "Type 'help' for the commands.",
    '',
  ];
}

/** Brings the thread's own variables up; the first thing it says is the banner. */
export function startConsole(k: Kernel): Outcome {
  initializeListHead(k.mem, k.global.address('ConRequestListHead'));
  storeLine(k, EMPTY_LINE);
  say(k, banner(k));
  return next('work', LOOK_CYCLES);
}

function sleep(k: Kernel, timeout: bigint | null = null): Outcome {
  return keWait(k, [k.global.address('ConEvent')], { timeout }) === 'blocked' ? wait('work') : next('work', LOOK_CYCLES);
}

/** Waits until the service routine has sent half of the output ring. */
function waitForRoom(k: Kernel): Outcome {
  k.global.set('ConWantsRoom', 1);
  return sleep(k);
}

/** One pass. The thread never ends. */
export function consoleWork(k: Kernel): Outcome {
  const { global: g } = k;
  putMark(k);
  if (g.get('ConText') !== 0) {
    if (takeInputThrough(k, CTRL_C)) {
      dropText(k);
      say(k, ['^C']);
    }
    const sent = sendText(k);
    return sent === 0 ? waitForRoom(k) : next('work', LOOK_CYCLES + sent * BYTE_CYCLES);
  }
  const news = requestNews(k);
  if (news !== null) {
    say(k, news);
    return next('work', COMMAND_CYCLES);
  }
  if (g.get('ConForeground') !== 0) {
    if (!takeInputThrough(k, CTRL_C)) return sleep(k, patience(k));
    const left = leaveForeground(k);
    say(k, ['^C', ...(left === null ? [] : [left])]);
    return next('work', LOOK_CYCLES);
  }
  if (outputRoom(k) < ECHO_ROOM) return waitForRoom(k);
  if (g.get('ConAtPrompt') === 0) {
    writeScreen(k, `${g.get('ConMidLine') ? '\r\n' : ''}${PROMPT}${drawLine(loadLine(k))}`);
    g.set('ConAtPrompt', 1);
    g.set('ConRedraw', 0);
    return next('work', LOOK_CYCLES);
  }
  const key = takeInput(k);
  if (key < 0) return sleep(k);
  return onKey(k, key);
}

function onKey(k: Kernel, key: number): Outcome {
  const { state, echo, action } = editKey(loadLine(k), key, history(k));
  writeScreen(k, echo);
  if (action === '') {
    storeLine(k, state);
    return next('work', KEY_CYCLES);
  }
  storeLine(k, EMPTY_LINE);
  k.global.set('ConAtPrompt', 0);
  if (action === 'abandon') return next('work', KEY_CYCLES);
  remember(k, state.text.trim());
  const result = runCommand(k, state.text);
  if (Array.isArray(result)) say(k, result);
  else if (result !== null) {
    writeScreen(k, result.raw);
    k.global.set('ConMidLine', 0);
  }
  return next('work', COMMAND_CYCLES);
}
