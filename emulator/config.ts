import type { MachineConfig } from '../hal/bus/index.ts';

/** Seconds from 1970-01-01 to 2026-01-01, UTC. */
const YEAR_2026 = 1_767_225_600;
/** Physical addresses from here up belong to devices. */
export const MAX_RAM_BYTES = 0xc000_0000;
export const MAX_CPUS = 8;

/** What a machine is when nobody says otherwise. */
export const DEFAULT_CONFIG: MachineConfig = {
  ramBytes: 64 << 20,
  cpus: 1,
  tscHz: 100_000_000,
  apicHz: 100_000_000,
  rtcEpoch: YEAR_2026,
  clockPeriod: 156_250,
  dpcWatchdogTicks: 64,
  verifier: true,
  injectPool: 0,
  injectMap: 0,
  injectLower: 0,
  injectObject: 0,
  injectSeed: 1,
  requester: 'user',
  account: 'administrator',
  seed: 1,
  scheduleSeed: 1,
};

/** Fills in defaults and checks ranges; a value that no machine can have throws a RangeError that names it. */
export function completeConfig(partial: Partial<MachineConfig> = {}): MachineConfig {
  for (const name of Object.keys(partial)) {
    if (!(name in DEFAULT_CONFIG))
      throw new RangeError(`there is no machine setting '${name}'; there are ${Object.keys(DEFAULT_CONFIG).join(', ')}`);
  }
  const config: MachineConfig = { ...DEFAULT_CONFIG, ...withoutUndefined(partial) };
  const whole = (name: keyof MachineConfig, low: number, high: number): void => {
    const value = config[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < low || value > high) {
      throw new RangeError(`machine setting '${name}' is a whole number from ${low} to ${high}, not ${String(value)}`);
    }
  };
  whole('ramBytes', 1 << 20, MAX_RAM_BYTES);
  if (config.ramBytes % 0x1000 !== 0)
    throw new RangeError(`machine setting 'ramBytes' is a multiple of 4096, not ${config.ramBytes}`);
  whole('cpus', 1, MAX_CPUS);
  whole('tscHz', 1_000_000, 4_000_000_000);
  whole('apicHz', 1_000_000, 4_000_000_000);
  if (config.tscHz % config.apicHz !== 0)
    throw new RangeError(`machine setting 'apicHz' divides 'tscHz' (${config.tscHz}), ${config.apicHz} does not`);
  whole('rtcEpoch', 0, 0xffff_ffff);
  whole('clockPeriod', 1_000, 10_000_000);
  whole('dpcWatchdogTicks', 1, 1_000_000);
  for (const name of ['injectPool', 'injectMap', 'injectLower', 'injectObject', 'injectSeed'] as const)
    whole(name, 0, 0xffff_ffff);
  whole('seed', 0, 0xffff_ffff);
  whole('scheduleSeed', 0, 0xffff_ffff);
  if (typeof config.verifier !== 'boolean') throw new RangeError(`machine setting 'verifier' is true or false`);
  if (config.requester !== 'user' && config.requester !== 'kernel')
    throw new RangeError(`machine setting 'requester' is 'user' or 'kernel', not ${String(config.requester)}`);
  if (!['administrator', 'user', 'system'].includes(config.account))
    throw new RangeError(`machine setting 'account' is 'administrator', 'user' or 'system', not ${String(config.account)}`);
  return config;
}

function withoutUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Partial<T>;
}
