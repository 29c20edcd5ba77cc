import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine): void {
  const log = machine.guest.command('!errlog');
  const texts = log.map(line => line.replace(/^\S+ +/, ''));
  const expected = [
    'hard error: STATUS_DISK_FULL, "ktest volume"',
    'hard error: STATUS_DISK_FULL',
    'hard error: STATUS_UNRECOGNIZED_MEDIA, "harderror"',
  ];
  if (texts.join('\n') !== expected.join('\n')) throw new Error(`the event log has\n${texts.join('\n')}`);
}
