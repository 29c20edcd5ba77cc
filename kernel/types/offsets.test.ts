import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { structures } from './index.ts';

/** What a compiler makes of the WDK's own headers: see offsets.c. */
const compiled = JSON.parse(readFileSync(new URL('./offsets.json', import.meta.url), 'utf8')) as { [structure: string]: { [field: string]: number } };

/** Names that the headers give as typedefs of structures with other tags. */
const tags: { readonly [name: string]: string } = {
  NPAGED_LOOKASIDE_LIST: '_GENERAL_LOOKASIDE', RTL_OSVERSIONINFOEXW: '_OSVERSIONINFOEXW',
};

describe('structure layouts', () => {
  for (const [name, fields] of Object.entries(compiled))
    it(`${name} is as the WDK's header has it`, () => {
      const s = structures.get(tags[name] ?? `_${name}`)!;
      expect(s, `${name} is declared`).toBeDefined();
      const here = Object.fromEntries(Object.keys(fields).map(f => [f, f === 'sizeof' ? s.size : s.fields.find(x => x.name === f)?.offset]));
      expect(here).toEqual(fields);
    });

  it('has what is public of the opaque ones where build 19045 has it', () => {
    const at = (s: string, f: string): number | undefined => structures.get(s)!.fields.find(x => x.name === f)?.offset;
    const size = (s: string): number => structures.get(s)!.size;
    expect([at('_KPCR', 'Self'), at('_KPCR', 'CurrentPrcb'), at('_KPCR', 'Prcb'), at('_KPRCB', 'CurrentThread'), at('_KPRCB', 'Number'), at('_KPRCB', 'LegacyNumber')]).toEqual([0x18, 0x20, 0x180, 8, 0x24, 4]);
    expect([at('_EPROCESS', 'UniqueProcessId'), at('_EPROCESS', 'ActiveProcessLinks'), at('_EPROCESS', 'Token'), at('_EPROCESS', 'ImageFileName'), at('_EPROCESS', 'ThreadListHead')]).toEqual([0x440, 0x448, 0x4b8, 0x5a8, 0x5e0]);
    expect([at('_ETHREAD', 'Cid'), at('_ETHREAD', 'IrpList'), at('_ETHREAD', 'ThreadListEntry'), at('_KTHREAD', 'Process'), at('_KTHREAD', 'PreviousMode'), at('_KTHREAD', 'ApcState')]).toEqual([0x478, 0x4b0, 0x4e8, 0x220, 0x232, 0x98]);
    expect([size('_KTHREAD'), size('_ETHREAD'), size('_KPROCESS'), size('_EPROCESS'), size('_KTRAP_FRAME'), size('_KEXCEPTION_FRAME')]).toEqual([0x430, 0x898, 0x438, 0xa40, 0x190, 0x140]);
    expect([at('_KPRCB', 'DpcData'), at('_KPRCB', 'DispatcherReadyListHead'), at('_KPRCB', 'InterruptObject'), at('_KPRCB', 'TimerTable')]).toEqual([0x30c0, 0x7c80, 0x3140, 0x3940]);
  });
});
