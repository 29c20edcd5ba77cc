import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { obInitNamespace, obInitTypes } from '../ob/init.ts';
import { fakeKernel } from '../testing/fakekernel.ts';
import { EPROCESS } from '../types/ps.ts';
import {
  cmCreatePath,
  cmDeleteKey,
  cmDeleteValue,
  cmInit,
  cmOpenPath,
  cmQueryDword,
  cmQueryString,
  cmQueryStrings,
  cmQueryValue,
  cmSetValue,
  cmWalk,
  keyName,
  keyPath,
  keyValues,
  regDword,
  regMultiSz,
  regSz,
  subKeys,
} from './registry.ts';

const REG_SZ = 1,
  REG_BINARY = 3,
  REG_DWORD = 4,
  REG_MULTI_SZ = 7;
const STATUS_OBJECT_NAME_NOT_FOUND = 0xc0000034,
  STATUS_CANNOT_DELETE = 0xc0000121;

let k: Kernel;
beforeEach(() => {
  k = fakeKernel().k;
  obInitTypes(k, 1);
  const process = exAllocatePool(k, 0x200, EPROCESS.size, 0x636f7250);
  k.mem.fill(process, EPROCESS.size, 0);
  obInitNamespace(k, process, 4);
  cmInit(k);
});

describe('the registry', () => {
  it('has the keys that drivers look for; CurrentControlSet is another name for ControlSet001', () => {
    const services = cmOpenPath(k, '\\Registry\\Machine\\System\\CurrentControlSet\\Services');
    expect(services).not.toBe(0);
    expect(cmOpenPath(k, '\\REGISTRY\\machine\\system\\controlset001\\SERVICES')).toBe(services);
    expect(keyPath(k, services).toUpperCase()).toBe('\\REGISTRY\\MACHINE\\SYSTEM\\CONTROLSET001\\SERVICES');
    expect(cmOpenPath(k, '\\Registry\\Machine\\System\\Nothing')).toBe(0);
    expect(cmOpenPath(k, '\\Device')).toBe(0);
  });

  it('makes what is missing of a path, and says what is missing', () => {
    const root = cmOpenPath(k, '\\Registry\\Machine\\Software');
    expect(cmWalk(k, root, 'A\\B').missing).toEqual(['A', 'B']);
    const made = cmCreatePath(k, '\\Registry\\Machine\\Software\\A\\B');
    expect(cmWalk(k, root, 'a\\b')).toEqual({ key: made, missing: [] });
    expect(cmCreatePath(k, '\\Registry\\Machine\\Software\\a\\B')).toBe(made);
  });

  it('reads values back as what they were set to', () => {
    const key = cmCreatePath(k, '\\Registry\\Machine\\Software\\Test');
    cmSetValue(k, key, 'Text', REG_SZ, regSz('Grüße'));
    cmSetValue(k, key, 'List', REG_MULTI_SZ, regMultiSz(['one', 'two']));
    cmSetValue(k, key, 'Number', REG_DWORD, regDword(0xdeadbeef));
    expect(cmQueryString(k, key, 'text')).toBe('Grüße');
    expect(cmQueryStrings(k, key, 'LIST')).toEqual(['one', 'two']);
    expect(cmQueryDword(k, key, 'Number')).toBe(0xdeadbeef);
    expect(cmQueryDword(k, key, 'Text')).toBeNull();
    expect(cmQueryString(k, key, 'Number')).toBeNull();
  });

  it('keeps values as a map without case does', () => {
    const name = fc.constantFrom('', 'a', 'A', 'b', 'long name', 'LONG NAME');
    const step = fc.record({ name, data: fc.option(fc.uint8Array({ maxLength: 40 })) });
    let n = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const key = cmCreatePath(k, `\\Registry\\Machine\\Software\\Map${n++}`);
        const model = new Map<string, Uint8Array>();
        for (const { name: value, data } of steps) {
          const id = value.toUpperCase();
          if (data === null) expect(cmDeleteValue(k, key, value)).toBe(model.delete(id) ? 0 : STATUS_OBJECT_NAME_NOT_FOUND);
          else {
            expect(cmSetValue(k, key, value, REG_BINARY, data)).toBe(0);
            model.set(id, data);
          }
          const found = cmQueryValue(k, key, value);
          expect(found?.data ?? null).toEqual(model.get(id) ?? null);
        }
        expect(keyValues(k, key)).toHaveLength(model.size);
      }),
      { numRuns: 60 },
    );
  });

  it('enumerates subkeys by name, and deletes only keys without any', () => {
    const key = cmCreatePath(k, '\\Registry\\Machine\\Software\\Tree');
    for (const sub of ['b', 'C', 'a']) cmCreatePath(k, `\\Registry\\Machine\\Software\\Tree\\${sub}`);
    expect(subKeys(k, key).map(s => keyName(k, s))).toEqual(['a', 'b', 'C']);
    expect(cmDeleteKey(k, key)).toBe(STATUS_CANNOT_DELETE);
    for (const sub of subKeys(k, key)) expect(cmDeleteKey(k, sub)).toBe(0);
    expect(cmDeleteKey(k, key)).toBe(0);
    expect(cmOpenPath(k, '\\Registry\\Machine\\Software\\Tree')).toBe(0);
  });
});
