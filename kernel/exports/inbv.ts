/** The screen of the time while the system starts, and stops (Inbv, "in-boot video"). This machine has none: no driver for it is installed, and text goes to the debugger. Source: public symbols; what drivers that draw there expect. */
import type { Kernel } from '../kernel.ts';
import { readAnsiZ } from '../rtl/string.ts';
import { BOOLEAN, call, type NtExport, ntExport, ntSteps, PVOID, ret, ULONG, VOID } from './declare.ts';

/** INBV_DISPLAY_STATE: the kernel owns the screen; a driver has taken it. */
const OWNED = 0,
  LOST = 2;
const COLUMNS = 80,
  ROWS = 50;
const NO_SCREEN = 'the machine has no screen: text goes to the debugger, and there is nothing to draw on';
const area = { Left: ULONG, Top: ULONG, Right: ULONG, Bottom: ULONG } as const;
const base = { cycles: 40, status: 'partial', missing: NO_SCREEN } as const;
const owned = (k: Kernel): boolean => k.global.get('InbvDisplayState') === OWNED;

export const inbvExports: NtExport[] = [
  ntExport({
    ...base,
    name: 'InbvIsBootDriverInstalled',
    doc: 'Whether there is a driver for the boot screen: FALSE.',
    args: {},
    returns: BOOLEAN,
    impl: () => false,
  }),
  ntSteps({
    ...base,
    name: 'InbvAcquireDisplayOwnership',
    doc: 'The kernel takes the screen back from the driver that has it, whose routine resets it.',
    args: {},
    returns: VOID,
    frame: {},
    steps: {
      start(k) {
        const routine = k.global.get('InbvDisplayState') === LOST ? k.global.get('HalpResetDisplayParameters') : 0;
        k.global.set('InbvDisplayState', OWNED);
        return routine ? call(routine, [COLUMNS, ROWS], 'done') : ret();
      },
      done: () => ret(),
    },
  }),
  ntExport({
    ...base,
    name: 'InbvNotifyDisplayOwnershipLost',
    doc: 'A driver takes the screen; its routine is called to give it back.',
    args: { ResetDisplayParameters: PVOID },
    returns: VOID,
    impl(k, a) {
      k.global.set('HalpResetDisplayParameters', a.ResetDisplayParameters);
      k.global.set('InbvDisplayState', LOST);
    },
  }),
  ntExport({
    ...base,
    name: 'InbvEnableDisplayString',
    doc: 'Whether texts are shown; returns whether they were before.',
    args: { Enable: BOOLEAN },
    returns: BOOLEAN,
    impl(k, { Enable }) {
      const before = k.global.get('InbvStringsHidden') === 0;
      k.global.set('InbvStringsHidden', Enable ? 0 : 1);
      return before;
    },
  }),
  ntExport({
    ...base,
    name: 'InbvDisplayString',
    doc: 'Shows a text; FALSE while a driver has the screen.',
    args: { String: PVOID },
    returns: BOOLEAN,
    impl(k, a) {
      if (!owned(k)) return false;
      if (!k.global.get('InbvStringsHidden')) k.debugPrint(readAnsiZ(k.mem, a.String));
      return true;
    },
  }),
  ntExport({
    ...base,
    name: 'InbvResetDisplay',
    doc: 'Resets the screen; FALSE without a driver for it.',
    args: {},
    returns: BOOLEAN,
    impl: () => false,
  }),
  ntExport({
    ...base,
    name: 'InbvSetTextColor',
    doc: 'The colour of texts; returns the one of before.',
    args: { Color: ULONG },
    returns: ULONG,
    impl(k, { Color }) {
      const before = k.global.get('InbvTextColor');
      k.global.set('InbvTextColor', Color);
      return before;
    },
  }),
  ntExport({
    ...base,
    name: 'InbvSetScrollRegion',
    doc: 'The part of the screen that texts scroll in.',
    args: area,
    returns: VOID,
    impl: () => undefined,
  }),
  ntExport({
    ...base,
    name: 'InbvSolidColorFill',
    doc: 'Fills a part of the screen with a colour.',
    args: { ...area, Color: ULONG },
    returns: VOID,
    impl: () => undefined,
  }),
];
