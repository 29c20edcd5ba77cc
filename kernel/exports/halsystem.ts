/** HAL routines for the machine as a whole: restart, the speaker. Source: their declarations in ntddk.h and hal.h; data sheets of the 8254 and of the PIIX's reset register. */
import type { Kernel } from '../kernel.ts';
import { BOOLEAN, next, type NtExport, ntExport, ntSteps, type Outcome, ULONG, VOID } from './declare.ts';

import { u32 } from '../types/struct.ts';

/** FIRMWARE_REENTRY */
const HalHaltRoutine = 0,
  HalPowerDownRoutine = 1;
const RESET_CONTROL = 0xcf9,
  RESET_FULL = 0x06;

const PIT_CONTROL = 0x43,
  PIT_CHANNEL_2 = 0x42,
  SPEAKER = 0x61,
  SPEAKER_ON = 3;
const PIT_HZ = 1193182;

/** Programs the speaker's counter for a frequency and lets it through; 0 switches it off. */
function beep(k: Kernel, frequency: number): boolean {
  const { cpu } = k;
  const speaker = cpu.portIn(SPEAKER, 1) & ~SPEAKER_ON & 0xff;
  cpu.portOut(SPEAKER, 1, speaker);
  if (frequency === 0) return true;
  const count = Math.floor(PIT_HZ / frequency);
  // The counter has 16 bits: lower tones than 18.2 Hz it cannot make.
  if (count > 0xffff || count < 1) return false;
  cpu.portOut(PIT_CONTROL, 1, 0xb6);
  cpu.portOut(PIT_CHANNEL_2, 1, count & 0xff);
  cpu.portOut(PIT_CHANNEL_2, 1, count >> 8);
  cpu.portOut(SPEAKER, 1, speaker | SPEAKER_ON);
  return true;
}

/** Waits for the reset that has been asked for. */
const waitForReset = (): Outcome => next('waiting', 1000);

export const halSystemExports: NtExport[] = [
  ntSteps({
    module: 'hal.dll',
    name: 'HalReturnToFirmware',
    doc: 'Gives the machine back to its firmware: it restarts, or stands still. Does not return.',
    args: { Routine: ULONG },
    returns: VOID,
    cycles: 100,
    status: 'partial',
    missing: 'HalPowerDownRoutine halts the machine instead of switching it off',
    frame: { Unused: u32 },
    steps: {
      start(k, _f, _rax, { Routine }) {
        if (Routine !== HalHaltRoutine && Routine !== HalPowerDownRoutine) {
          k.cpu.portOut(RESET_CONTROL, 1, 0);
          k.cpu.portOut(RESET_CONTROL, 1, RESET_FULL);
        }
        return waitForReset();
      },
      waiting: () => waitForReset(),

    },
  }),
  ntExport({
    module: 'hal.dll',
    name: 'HalMakeBeep',
    doc: 'Lets the speaker sound with a frequency in Hz, or be silent for 0; FALSE for one that it cannot make.',
    args: { Frequency: ULONG },
    returns: BOOLEAN,
    cycles: 120,
    status: 'full',
    impl: (k, { Frequency }) => beep(k, Frequency),
  }),
];
