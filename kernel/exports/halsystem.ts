/** The HAL's way out of the system. Source: hal.h; the data sheet of the PIIX's reset register. */
import { next, type NtExport, ntData, ntSteps, type Outcome, ULONG, VOID } from './declare.ts';
import { u32 } from '../types/struct.ts';

/** FIRMWARE_REENTRY */
const HalHaltRoutine = 0,
  HalPowerDownRoutine = 1;
const RESET_CONTROL = 0xcf9,
  RESET_FULL = 0x06;

/** Waits for the reset that has been asked for. */
const waitForReset = (): Outcome => next('waiting', 1000);

/** COM1: the kernel's prompt is there. */
const CONSOLE_PORT = 0x3f8;

export const halSystemExports: NtExport[] = [
  ntData({
    module: 'hal.dll',
    name: 'KdComPortInUse',
    doc: 'I/O address of the serial port that the kernel keeps for itself, as a pointer: a driver of serial ports leaves it alone.',
    size: 8,
    status: 'full',
    init: (k, at) => k.mem.writePtr(at, CONSOLE_PORT),
  }),
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
];
