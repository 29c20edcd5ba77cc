import { bootRoutines } from '../boot/init.ts';
import { apcRoutines } from '../ke/apc.ts';
import { apcWaitRoutines } from '../ke/apcwait.ts';
import { startupRoutines } from '../boot/startup.ts';
import { clockRoutines } from '../ke/clock.ts';
import { ipiRoutines } from '../ke/ipi.ts';
import { shootdownRoutines } from '../ke/shootdown.ts';
import { dispatchCode } from '../ke/dispatchcode.ts';
import { dpcRoutines } from '../ke/dpcroutine.ts';
import { bugCallbackRoutines } from '../ke/bugcallback.ts';
import { exceptionRoutines } from '../ke/exception.ts';
import { interruptRoutines } from '../ke/interruptdispatch.ts';
import { threadedDpcRoutines } from '../ke/threadeddpc.ts';
import { trapCode } from '../ke/trapcode.ts';
import { serviceTables } from '../ke/services.ts';
import { syscallCode } from '../ke/syscallcode.ts';
import { userApcRoutines } from '../ke/userapc.ts';
import { exitRoutines } from '../ps/exit.ts';
import { userThreadRoutines } from '../ps/user.ts';
import { exports as cm } from './cm.ts';
import { exports as con } from './console.ts';
import { exports as crt } from './crt.ts';
import { exports as data } from './data.ts';
import type { NtExport } from './declare.ts';
import { exports as ex } from './ex.ts';
import { objectExports } from './exobject.ts';
import { systemExports } from './exsystem.ts';
import { createExports } from '../io/create.ts';
import { ccExports } from './cc.ts';
import { fsrtlExports } from './fsrtl.ts';
import { exports as hal } from './hal.ts';
import { halSystemExports } from './halsystem.ts';
import { moreProcessExports } from './psmore.ts';
import { exports as io } from './io.ts';
import { exports as ke } from './ke.ts';
import { exports as mm } from './mm.ts';
import { exports as ob } from './ob.ts';
import { obOpenExports } from './obopen.ts';
import { exports as pnp } from './pnp.ts';
import { exports as ps } from './ps.ts';
import { exports as psuser } from './psuser.ts';
import { exports as rtl } from './rtl.ts';
import { exceptionExports } from './rtlexception.ts';
import { prefixExports } from './rtlprefix.ts';
import { tableExports } from './rtltable.ts';
import { sortExports } from './crtsort.ts';
import { nameExports } from './fsrtlname.ts';
import { exports as se } from './se.ts';
import { auditExports } from './seaudit.ts';
import { descriptorExports } from './sedescriptor.ts';
import { tokenExports } from './setoken.ts';
import { zwMiscExports } from './zwmisc.ts';
import { zwTokenExports } from './zwtoken.ts';
import { exports as zw } from './zw.ts';
import { tmExports } from './tm.ts';
import { tmEnlistmentExports } from './tmenlistment.ts';
import { fewExports } from './zwfew.ts';
import { heapExports } from './heap.ts';
import { inbvExports } from './inbv.ts';
import { exports as verifier } from '../verifier/exports.ts';
import { sectionExports } from './section.ts';

/** Everything that the kernel's images contain: the routines of every manager, and the kernel's own internal ones. The order decides the layout of the images. */
export const allExports: readonly NtExport[] = [
  ...trapCode,
  ...dispatchCode,
  ...bootRoutines,
  ...startupRoutines,
  ...ipiRoutines,
  ...shootdownRoutines,
  ...clockRoutines,
  ...dpcRoutines,
  ...threadedDpcRoutines,
  ...interruptRoutines,
  ...exceptionRoutines,
  ...bugCallbackRoutines,
  ...apcRoutines,
  ...apcWaitRoutines,
  ...syscallCode,
  ...serviceTables,
  ...userApcRoutines,
  ...userThreadRoutines,
  ...exitRoutines,
  ...ke,
  ...ps,
  ...psuser,
  ...ob,
  ...obOpenExports,
  ...mm,
  ...io,
  ...pnp,
  ...zw,
  ...se,
  ...auditExports,
  ...descriptorExports,
  ...tokenExports,
  ...zwTokenExports,
  ...zwMiscExports,
  ...fewExports,
  ...heapExports,
  ...inbvExports,
  ...hal,
  ...halSystemExports,
  ...moreProcessExports,
  ...fsrtlExports,
  ...ccExports,
  ...createExports,
  ...ex,
  ...objectExports,
  ...systemExports,
  ...sectionExports,
  ...verifier,
  ...cm,
  ...tmExports,
  ...tmEnlistmentExports,
  ...rtl,
  ...exceptionExports,
  ...tableExports,
  ...prefixExports,
  ...sortExports,
  ...nameExports,
  ...crt,
  ...con,
  ...data,
];
