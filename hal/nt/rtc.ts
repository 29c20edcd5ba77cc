import type { CpuView } from '../bus/cpu.ts';

/** The real-time clock, read through ports 0x70 and 0x71 (MC146818A). */

const INDEX = 0x70,
  DATA = 0x71;
const SECONDS = 0x00,
  MINUTES = 0x02,
  HOURS = 0x04,
  DAY = 0x07,
  MONTH = 0x08,
  YEAR = 0x09,
  STATUS_A = 0x0a,
  STATUS_B = 0x0b,
  CENTURY = 0x32;
const UPDATE_IN_PROGRESS = 0x80,
  BINARY = 0x04,
  HOURS_24 = 0x02,
  PM = 0x80;
const UPDATE_POLLS = 10000;

function read(cpu: CpuView, register: number): number {
  cpu.portOut(INDEX, 1, register);
  return cpu.portIn(DATA, 1) & 0xff;
}

/** Days from 1970-01-01 to a date of the Gregorian calendar. */
function daysFromEpoch(year: number, month: number, day: number): number {
  // Years that start in March put the leap day last.
  const y = month <= 2 ? year - 1 : year;
  const m = (month + 9) % 12;
  return (
    365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + Math.floor((153 * m + 2) / 5) + day - 1 - 719468
  );
}

/** Seconds since 1970-01-01 as the clock shows them (HalQueryRealTimeClock), or null when no clock answers or its registers hold no date. */
export function readRealTimeClock(cpu: CpuView): number | null {
  for (let i = 0; i < UPDATE_POLLS && read(cpu, STATUS_A) & UPDATE_IN_PROGRESS; i++);
  const mode = read(cpu, STATUS_B);
  const number = (raw: number): number => (mode & BINARY ? raw : (raw >> 4) * 10 + (raw & 15));
  const rawHours = read(cpu, HOURS);
  let hours = number(rawHours & (mode & HOURS_24 ? 0xff : 0x7f));
  if (!(mode & HOURS_24)) hours = (hours % 12) + (rawHours & PM ? 12 : 0);
  const [seconds, minutes, day, month, year, century] = [SECONDS, MINUTES, DAY, MONTH, YEAR, CENTURY].map(r =>
    number(read(cpu, r)),
  ) as [number, number, number, number, number, number];
  if (seconds > 59 || minutes > 59 || hours > 23 || day < 1 || day > 31 || month < 1 || month > 12 || year > 99) return null;
  const fullYear = (century >= 19 && century <= 99 ? century : year < 80 ? 20 : 19) * 100 + year;
  return daysFromEpoch(fullYear, month, day) * 86400 + hours * 3600 + minutes * 60 + seconds;
}
