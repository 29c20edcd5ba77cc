/** A driver has been unloaded: what it left behind. Source: WDK, "Bug Check 0xC4" (0x62), "Bug Check 0xC7", "Bug Check 0xCE". */
import type { Kernel } from '../kernel.ts';
import {
  DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
  DRIVER_VERIFIER_DETECTED_VIOLATION as C4,
} from '../types/bugcodes.ts';
import { timerInserted } from '../ke/timer.ts';
import { KDPC } from '../types/ke.ts';
import { DRIVER_OBJECT } from '../types/io.ts';
import { VF_RECORD } from './globals.ts';
import { checkVanishingMemory } from './pool.ts';
import {
  ADAPTER,
  all,
  COMMON_BUFFER,
  CONTIGUOUS,
  DEVICE,
  driverAt,
  IO_MAPPING,
  IRP_ALLOCATED,
  MDL_ALLOCATED,
  MDL_LOCKED,
  MDL_MAPPED,
  POOL,
  REGISTRATION,
  SYMBOLIC_LINK,
  SYSTEM_THREAD,
  TIMER,
  WORK_ITEM,
} from './state.ts';

const R = VF_RECORD.f;

/** A routine of an unloaded driver that the system would still call: the code is about to go. */
function wouldBeCalled(k: Kernel, unload: number, routine: number, object: number, what: string): never {
  k.bugCheckBy(
    unload,
    DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
    routine,
    EXECUTED,
    `a driver was unloaded while ${what}: its code is about to go`,
    routine,
    object,
  );
}
/** Parameter 2 of the bug check for an instruction fetch. */
const EXECUTED = 8;

/** Kinds that are pool of the driver, and what they are called. */
const LEAKS: readonly (readonly [kind: number, what: string])[] = [
  [POOL, 'pool allocation'],
  [MDL_ALLOCATED, 'MDL'],
  [IRP_ALLOCATED, 'IRP'],
  [WORK_ITEM, 'work item'],
  [CONTIGUOUS, 'contiguous allocation'],
  [IO_MAPPING, 'mapping of I/O space'],
  [MDL_LOCKED, 'MDL with locked pages'],
  [MDL_MAPPED, 'mapped MDL'],
  [COMMON_BUFFER, 'common buffer'],
  [ADAPTER, 'DMA adapter'],
  [DEVICE, 'device object'],
  [SYMBOLIC_LINK, 'symbolic link'],
];

/** DriverUnload has returned; the image is still there. `unload` is the routine, which the report names. */
export function checkUnloadedDriver(k: Kernel, driver: number, unload: number): void {
  const base = DRIVER_OBJECT.f.DriverStart.get(k.mem, driver);
  const size = DRIVER_OBJECT.f.DriverSize.get(k.mem, driver);
  for (const record of all(k, SYSTEM_THREAD)) {
    const start = R.Data.get(k.mem, record);
    if (driverAt(k, start) === base) wouldBeCalled(k, unload, start, R.Key.get(k.mem, record), 'a thread of it still runs');
  }
  checkVanishingMemory(k, base, size);
  for (const record of all(k, TIMER)) {
    const timer = R.Key.get(k.mem, record),
      dpc = R.Data.get(k.mem, record);
    if (dpc === 0 || k.mem.translate(timer) < 0 || !timerInserted(k, timer) || k.mem.translate(dpc) < 0) continue;
    const routine = KDPC.f.DeferredRoutine.get(k.mem, dpc);
    if (driverAt(k, routine) === base) wouldBeCalled(k, unload, routine, timer, 'a timer is set whose DPC routine it has');
  }
  for (const record of all(k, REGISTRATION)) {
    const routine = R.Data.get(k.mem, record);
    if (driverAt(k, routine) === base)
      wouldBeCalled(k, unload, routine, R.Key.get(k.mem, record), 'a routine of it is still registered');
  }
  const left: string[] = [];
  let count = 0;
  for (const [kind, what] of LEAKS) {
    let n = 0;
    for (const record of all(k, kind)) if (R.Owner.get(k.mem, record) === base) n++;
    if (n === 0) continue;
    count += n;
    left.push(`${n} ${what}${n === 1 ? '' : 's'}`);
  }
  if (count !== 0)
    k.bugCheckBy(
      unload,
      C4,
      0x62,
      DRIVER_OBJECT.f.DriverName.offset + driver,
      `a driver was unloaded and left behind: ${left.join(', ')}`,
      0,
      count,
    );
}
