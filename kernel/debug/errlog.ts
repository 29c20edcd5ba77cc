import { eventLog } from '../io/eventlog.ts';
import type { DebugCommand } from './command.ts';

/** An NT time as people write it, UTC to the millisecond. */
const wallClock = (time: bigint): string => new Date(Number(time / 10000n) - 11644473600000).toISOString();

export const errlog: DebugCommand = {
  name: '!errlog',
  usage: '',
  doc: 'Shows the event log: what drivers wrote with IoWriteErrorLogEntry, oldest first.',
  run(k) {
    const records = eventLog(k);
    return records.length ? records.map(r => `${wallClock(r.time)}  ${r.text}`) : ['The event log is empty.'];
  },
};
