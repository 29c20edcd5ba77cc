import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  const log = machine.guest.command('!errlog').join('\n');
  for (const text of ['error 0xc0040001, status 0xc0000185, "the wheel has come off"', '"written at DISPATCH_LEVEL"'])
    if (!log.includes(text)) throw new Error(`the event log has no ${text}:\n${log}`);
  if (log.includes('never written')) throw new Error('an entry that was freed is in the event log');
}
