import type { VirtualMemory } from '../../hal/bus/memory.ts';
import { TIME_FIELDS } from '../types/rtl.ts';

/** Calendar arithmetic on NT times: 100 ns units since 1601-01-01, proleptic Gregorian. */

const F = TIME_FIELDS.f;
const SECOND = 10_000_000n,
  DAY = 86400n * SECOND;
const DAYS_IN_400_YEARS = 146097;

const isLeap = (y: number): boolean => (y % 4 === 0 && y % 100 !== 0) || y % 400 === 0;
const monthDays = (y: number, m: number): number => [31, isLeap(y) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][m - 1]!;
/** Days from 1601-01-01 to January 1st of `year`. */
const daysToYear = (year: number): number => {
  const y = year - 1601;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
};

/** RtlTimeToTimeFields. 1601-01-01 was a Monday. */
export function writeTimeFields(mem: VirtualMemory, time: bigint, to: number): void {
  mem.probe(to, TIME_FIELDS.size, true);
  const days = Number(time / DAY);
  let ms = Number((time % DAY) / 10000n);
  let year = 1601 + Math.floor((days / DAYS_IN_400_YEARS) * 400);
  while (daysToYear(year) > days) year--;
  while (daysToYear(year + 1) <= days) year++;
  let day = days - daysToYear(year),
    month = 1;
  while (day >= monthDays(year, month)) day -= monthDays(year, month++);
  F.Year.set(mem, to, year);
  F.Month.set(mem, to, month);
  F.Day.set(mem, to, day + 1);
  F.Weekday.set(mem, to, (days + 1) % 7);
  F.Milliseconds.set(mem, to, ms % 1000);
  ms = Math.floor(ms / 1000);
  F.Second.set(mem, to, ms % 60);
  F.Minute.set(mem, to, Math.floor(ms / 60) % 60);
  F.Hour.set(mem, to, Math.floor(ms / 3600));
}

/** RtlTimeFieldsToTime: the time, or null for a date that does not exist. */
export function readTimeFields(mem: VirtualMemory, at: number): bigint | null {
  const year = F.Year.get(mem, at),
    month = F.Month.get(mem, at),
    day = F.Day.get(mem, at),
    hour = F.Hour.get(mem, at),
    minute = F.Minute.get(mem, at);
  const second = F.Second.get(mem, at),
    ms = F.Milliseconds.get(mem, at);
  if (
    year < 1601 ||
    year > 30827 ||
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > monthDays(year, month) ||
    hour > 23 ||
    minute > 59 ||
    second > 59 ||
    ms > 999
  )
    return null;
  let days = daysToYear(year) + day - 1;
  for (let m = 1; m < month; m++) days += monthDays(year, m);
  return BigInt(days) * DAY + BigInt(((hour * 60 + minute) * 60 + second) * 1000 + ms) * 10000n;
}

/** Seconds between 1601 and 1970, and 1980. */
export const SECONDS_1970 = 11644473600n,
  SECONDS_1980 = 11960006400n;
export const SECOND_UNITS = SECOND;
