/**
 * The fixed hardware of ACPI (ACPI specification 6.5, chapter 4.8): power management timer, event and control blocks of PM1a, and the sleeping states S3 and S5. The
 * addresses and the sleep type values are those of QEMU's PC (82371AB data sheet, 7.2, has the same registers at the offsets used here).
 *
 * The machine is always in ACPI mode: SCI_EN is 1 and there is no SMI command port. In S3 the processors lose their state; devices keep theirs, as on a board that
 * powers its devices from the suspend well. Input channel `button`: the power button is pressed.
 */
import type { Bus, Device, InterruptLine } from '../hal/bus/index.ts';
import {
  inspectRegisters,
  loadState,
  readRegisters,
  registersOf,
  registerTable,
  resetRegisters,
  saveState,
  writeRegisters,
} from './register.ts';
import { cyclesOf, ticksIn } from './time.ts';

/** ACPI 4.8.2.1: the power management timer counts at 3.579545 MHz; 24 bits here. */
export const PM_TIMER_FREQUENCY = 3_579_545;
const TIMER_BITS = 24;
/** Values of SLP_TYP that the \_S3 and \_S5 objects announce. */
export const SLEEP_TYPE_S3 = 1,
  SLEEP_TYPE_S5 = 0;

const STS_TIMER = 0x0001,
  STS_POWER_BUTTON = 0x0100,
  STS_RTC = 0x0400,
  STS_WAKE = 0x8000;
const CNT_SLEEP_ENABLE = 0x2000;
/** What raises the SCI, and what wakes, when it is enabled. */
const EVENTS = STS_TIMER | STS_POWER_BUTTON | STS_RTC;
const RTC_PIN = 8;

interface AcpiPm {
  device: Device;
  bus: Bus;
  sci: InterruptLine;
  r: Record<'PM1_STS' | 'PM1_EN' | 'PM1_CNT', number>;
  s: { asleep: boolean; rtcLine: boolean };
}

const reg = registersOf<AcpiPm>();

const PM1_STS_BITS = { TMR: 0, BM: 4, GBL: 5, PWRBTN: 8, SLPBTN: 9, RTC: 10, WAK: 15 };
const REGISTERS = registerTable<AcpiPm>(
  [
    reg('PM1_STS', {
      offset: 0,
      width: 16,
      reset: 0,
      writable: 0,
      writeOneClears: STS_TIMER | STS_POWER_BUTTON | STS_RTC | STS_WAKE,
      bits: PM1_STS_BITS,
      onWrite: update,
    }),
    reg('PM1_EN', {
      offset: 2,
      width: 16,
      reset: 0,
      writable: STS_TIMER | 0x20 | STS_POWER_BUTTON | 0x200 | STS_RTC,
      bits: { TMR: 0, GBL: 5, PWRBTN: 8, SLPBTN: 9, RTC: 10 },
      onWrite: update,
    }),
    reg('PM1_CNT', {
      offset: 4,
      width: 16,
      reset: 1,
      // SCI_EN stays on; SLP_EN is a command and reads as 0.
      writable: 0x1c02,
      bits: { SCI_EN: 0, BM_RLD: 1, SLP_TYP: [12, 10] },
      onWrite: sleep,
    }),
    reg('PM_TMR', { offset: 8, width: 32, access: 'ro', value: p => ticks(p) % 2 ** TIMER_BITS }),
  ],
  0,
);
const LENGTH = 12;

/** PM1a event block at `base`, control block at `base` + 4, timer at `base` + 8 (600h unless said); SCI on I/O APIC pin `pin` (9 unless said). */
export function createAcpiPm(options: { id?: string; base?: number; pin?: number } = {}): Device {
  const { id = 'acpipm', base = 0x600, pin = 9 } = options;
  let p!: AcpiPm;
  const device: Device = {
    id,
    title: 'ACPI power management',
    attach(bus) {
      p = { device, bus, sci: bus.interruptLine(pin), r: {} as AcpiPm['r'], s: { asleep: false, rtcLine: false } };
      resetRegisters(REGISTERS, p);
      bus.claimPorts(device, base, LENGTH);
      bus.listen(RTC_PIN, level => {
        const rose = level && !p.s.rtcLine;
        p.s.rtcLine = level;
        if (rose) happened(p, STS_RTC);
      });
    },
    reset() {
      resetRegisters(REGISTERS, p);
      p.s.asleep = false;
      update(p);
    },
    save: () => saveState(p.r, p.s),
    load: state => loadState(id, p.r, p.s, state),
    portRead: (port, size) => readRegisters(REGISTERS, p, port - base, size),
    portWrite: (port, size, value) => writeRegisters(REGISTERS, p, port - base, size, value),
    event: name => happened(p, name === 'timer' ? STS_TIMER : p.r.PM1_STS & p.r.PM1_EN & EVENTS),
    input(channel) {
      if (channel !== 'button') throw new Error(`${id} has no input channel "${channel}": it takes "button"`);
      happened(p, STS_POWER_BUTTON);
    },
    inspect: () => inspectRegisters(REGISTERS, p, base),
  };
  return device;
}

function ticks(p: AcpiPm): number {
  return ticksIn(p.bus.clock.frequency, p.bus.clock.now(), PM_TIMER_FREQUENCY);
}

/** A status bit comes up. While the machine sleeps, an enabled event wakes it. */
function happened(p: AcpiPm, status: number): void {
  p.r.PM1_STS |= status;
  if (p.s.asleep && p.r.PM1_EN & status) {
    p.s.asleep = false;
    p.r.PM1_STS |= STS_WAKE;
    p.bus.power({ kind: 'wake' });
  }
  update(p);
}

/** Drives the SCI, and waits for the timer's highest bit to change (4.8.2.1) while somebody wants to know and does not know yet. */
function update(p: AcpiPm): void {
  const { clock } = p.bus;
  p.sci.set((p.r.PM1_STS & p.r.PM1_EN & EVENTS) !== 0);
  if (!(p.r.PM1_EN & STS_TIMER) || p.r.PM1_STS & STS_TIMER) {
    clock.cancel(p.device, 'timer');
    return;
  }
  const half = 2 ** (TIMER_BITS - 1);

  const next = (Math.floor(ticks(p) / half) + 1) * half;
  clock.schedule(p.device, 'timer', cyclesOf(clock.frequency, next, PM_TIMER_FREQUENCY));
}

function sleep(p: AcpiPm, written: number): void {
  if (!(written & CNT_SLEEP_ENABLE)) return;
  const type = (p.r.PM1_CNT >>> 10) & 7;
  if (type === SLEEP_TYPE_S5) p.bus.power({ kind: 'off' });
  if (type !== SLEEP_TYPE_S3) return;
  p.s.asleep = true;
  p.bus.power({ kind: 'sleep' });
  // What is pending already wakes at once.
  if (p.r.PM1_STS & p.r.PM1_EN & EVENTS) p.bus.clock.schedule(p.device, 'wake', p.bus.clock.now() + 1);
}
