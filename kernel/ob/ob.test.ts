import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Kernel } from '../kernel.ts';
import { exAllocatePool } from '../mm/pool.ts';
import { bugCheckOf, fakeKernel } from '../testing/fakekernel.ts';
import { EPROCESS } from '../types/ps.ts';
import { OBJ_CASE_INSENSITIVE, OBJ_OPENLINK } from '../types/ob.ts';
import {
  createLinkObject,
  directoryEntries,
  directoryFind,
  directoryInsert,
  directoryRemove,
  nameHash,
  obCreateDirectory,
  obInsertNamed,
  obLookup,
  obName,
  obPath,
} from './directory.ts';
import {
  entryObject,
  findHandle,
  freeHandle,
  handleEntry,
  obCreateHandle,
  obCreateHandleTable,
  obReferenceObjectByHandle,
  openHandles,
} from './handle.ts';
import { obInitNamespace, obInitTypes } from './init.ts';
import {
  dereference,
  deletesQuietly,
  freeObject,
  obCreateObject,
  obDereferenceDeferred,
  obReferenceObject,
  pointerCount,
} from './object.ts';
import { exportedType, mapAccess, obTypeOf, obWaitObject } from './type.ts';

const STATUS_SUCCESS = 0,
  STATUS_OBJECT_NAME_NOT_FOUND = 0xc0000034,
  STATUS_OBJECT_NAME_COLLISION = 0xc0000035,
  STATUS_OBJECT_PATH_NOT_FOUND = 0xc000003a,
  STATUS_OBJECT_PATH_SYNTAX_BAD = 0xc000003b,
  STATUS_OBJECT_NAME_INVALID = 0xc0000033,
  STATUS_OBJECT_TYPE_MISMATCH = 0xc0000024,
  STATUS_INVALID_HANDLE = 0xc0000008,
  STATUS_ACCESS_DENIED = 0xc0000022;

let k: Kernel;
let process: number;
let table: number;

beforeEach(() => {
  k = fakeKernel().k;
  obInitTypes(k, 0x5a);
  process = exAllocatePool(k, 0x200, EPROCESS.size, 0x636f7250);
  k.mem.fill(process, EPROCESS.size, 0);
  obInitNamespace(k, process, 4);
  table = obCreateHandleTable(k, process, 8);
});

const event = (named = false): number => obCreateObject(k, exportedType(k, 'ExEventObjectType'), 0x18, { named });

describe('types', () => {
  it('are found again from the encoded index in a header, and two headers of a type differ', () => {
    const objects = Array.from({ length: 40 }, () => event());
    for (const o of objects) expect(obTypeOf(k, o)).toBe(exportedType(k, 'ExEventObjectType'));
    expect(new Set(objects.map(o => k.mem.read8(o - 0x30 + 0x18))).size).toBeGreaterThan(1);
    expect(obTypeOf(k, exportedType(k, 'IoFileObjectType'))).toBe(k.global.get('ObpTypeObjectType'));
  });

  it('say what a wait waits for and what generic rights mean', () => {
    const e = event();
    expect(obWaitObject(k, e)).toBe(e);
    const file = obCreateObject(k, exportedType(k, 'IoFileObjectType'), 0xd8);
    expect(obWaitObject(k, file)).toBe(file + 0x98);
    expect(obWaitObject(k, obCreateDirectory(k))).toBe(0);
    // winnt.h: FILE_GENERIC_READ, FILE_GENERIC_WRITE.
    expect(mapAccess(k, exportedType(k, 'IoFileObjectType'), 0xc0000000)).toBe(0x120089 | 0x120116);
  });
});

describe('references', () => {
  it('count, and the last frees the object', () => {
    const e = event();
    expect(obReferenceObject(k, e)).toBe(2);
    expect(dereference(k, e)).toBe(1);
    expect(deletesQuietly(k, e)).toBe(true);
    expect(dereference(k, e)).toBe(0);
    freeObject(k, e);
    const again = event();
    expect(again).toBe(e);
  });

  it('below zero, or from zero up, are a bug check', () => {
    const e = event();
    dereference(k, e);
    expect(bugCheckOf(() => dereference(k, e))).toMatchObject({ code: 0x18 });
    const f = event();
    dereference(k, f);
    expect(bugCheckOf(() => obReferenceObject(k, f))).toMatchObject({ code: 0x18 });
  });
});

describe('directories', () => {
  it('behave as a map without case, whatever is put in and taken out', () => {
    const names = fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'A', 'b', 'z', '0', 'ä', 'Ä') });
    fc.assert(
      fc.property(fc.array(fc.record({ name: names, remove: fc.boolean() }), { maxLength: 60 }), steps => {
        const directory = obCreateDirectory(k, { named: false });
        const model = new Map<string, number>();
        for (const { name, remove } of steps) {
          const key = name.toUpperCase();
          const known = model.get(key);
          if (remove) {
            if (known === undefined) continue;
            directoryRemove(k, known);
            model.delete(key);
          } else {
            const e = event(true);
            expect(directoryInsert(k, directory, name, e)).toBe(
              known === undefined ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION,
            );
            if (known === undefined) model.set(key, e);
          }
          expect(directoryFind(k, directory, name, true)).toBe(model.get(key) ?? 0);
        }
        expect(new Set(directoryEntries(k, directory))).toEqual(new Set(model.values()));
        for (const o of model.values()) expect(directoryFind(k, directory, obName(k, o), false)).toBe(o);
      }),
      { numRuns: 60 },
    );
  });

  it('hash names without case', () => {
    expect(nameHash('Device')).toBe(nameHash('DEVICE'));
    expect(nameHash('Device')).not.toBe(nameHash('Devicf'));
  });

  it('hold a reference to what they name, and give it back', () => {
    const e = event(true);
    expect(obInsertNamed(k, '\\BaseNamedObjects\\E', e)).toBe(STATUS_SUCCESS);
    expect(pointerCount(k, e)).toBe(2);
    expect(obPath(k, e)).toBe('\\BaseNamedObjects\\E');
    directoryRemove(k, e);
    expect(pointerCount(k, e)).toBe(1);
    expect(obLookup(k, '\\BaseNamedObjects\\E').status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
    obDereferenceDeferred(k, e);
  });
});

describe('paths', () => {
  it('fail with the status that tells what is wrong', () => {
    expect(obLookup(k, '\\Device').status).toBe(STATUS_SUCCESS);
    expect(obLookup(k, '\\Device\\X').status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
    expect(obLookup(k, '\\Nowhere\\X').status).toBe(STATUS_OBJECT_PATH_NOT_FOUND);
    expect(obLookup(k, 'Device').status).toBe(STATUS_OBJECT_PATH_SYNTAX_BAD);
    expect(obLookup(k, '').status).toBe(STATUS_OBJECT_NAME_INVALID);
    expect(obLookup(k, '\\Device\\\\X').status).toBe(STATUS_OBJECT_NAME_INVALID);
  });

  it('follow links, and stop when these go round in a circle', () => {
    const e = event(true);
    obInsertNamed(k, '\\Device\\Target', e);
    obInsertNamed(k, '\\??\\Link', createLinkObject(k, '\\Device\\Target', { permanent: true, time: 0n }));
    for (const path of [
      '\\??\\Link',
      '\\DosDevices\\link',
      '\\GLOBAL??\\LINK',
      '\\??\\GLOBALROOT\\Device\\Target',
      '\\??\\Global\\Link',
    ])
      expect(obLookup(k, path).object).toBe(e);
    expect(obLookup(k, '\\??\\link', { attributes: 0 }).status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
    expect(obTypeOf(k, obLookup(k, '\\??\\Link', { attributes: OBJ_CASE_INSENSITIVE | OBJ_OPENLINK }).object)).toBe(
      k.global.get('ObpSymbolicLinkObjectType'),
    );
    obInsertNamed(k, '\\??\\A', createLinkObject(k, '\\??\\B', { permanent: true, time: 0n }));
    obInsertNamed(k, '\\??\\B', createLinkObject(k, '\\??\\A', { permanent: true, time: 0n }));
    expect(obLookup(k, '\\??\\A').status).toBe(STATUS_OBJECT_NAME_NOT_FOUND);
  });

  it('end at an object that parses the rest itself', () => {
    const device = obCreateObject(k, exportedType(k, 'IoDeviceObjectType'), 0x150, { named: true });
    obInsertNamed(k, '\\Device\\Disk', device);
    obInsertNamed(k, '\\??\\D:', createLinkObject(k, '\\Device\\Disk', { permanent: true, time: 0n }));
    expect(obLookup(k, '\\??\\D:\\folder\\file')).toMatchObject({
      status: STATUS_SUCCESS,
      object: device,
      remaining: '\\folder\\file',
    });
    expect(obLookup(k, '\\Device\\Disk')).toMatchObject({ object: device, remaining: '' });
  });
});

describe('handles', () => {
  it('behave as a map from multiples of four, over more than one page of entries', () => {
    const objects = Array.from({ length: 4 }, () => event());
    const model = new Map<number, number>();
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9 }), { minLength: 300, maxLength: 900 }), steps => {
        for (const step of steps) {
          if (step < 7 || model.size === 0) {
            const object = objects[step % 4]!;
            const h = obCreateHandle(k, object, 0x1f0003, 0, table);
            expect(h.status).toBe(STATUS_SUCCESS);
            expect(h.handle % 4).toBe(0);
            expect((h.handle / 4) % 256).not.toBe(0);
            expect(model.has(h.handle)).toBe(false);
            model.set(h.handle, object);
          } else {
            const [handle, object] = [...model][step % model.size]!;
            const entry = handleEntry(k, table, handle);
            expect(entryObject(k, entry)).toBe(object);
            freeHandle(k, table, entry);
            expect(entryObject(k, entry)).toBe(0);
            model.delete(handle);
          }
        }
        expect(openHandles(k, table).map(h => [h.handle, h.object])).toEqual([...model].sort((a, b) => a[0] - b[0]));
      }),
      { numRuns: 3 },
    );
    expect(model.size).toBeGreaterThan(256);
  });

  it('are checked for existence, type, mode and rights', () => {
    k.mem.writePtr(k.prcb + 8, process);
    k.mem.writePtr(process + 0xb8, process);
    EPROCESS.f.ObjectTable.set(k.mem, process, table);
    const type = exportedType(k, 'ExEventObjectType');
    const e = event();
    const { handle } = obCreateHandle(k, e, 1);
    expect(obReferenceObjectByHandle(k, handle, 2, type, 0)).toMatchObject({ status: STATUS_SUCCESS, object: e, access: 1 });
    expect(obReferenceObjectByHandle(k, handle, 2, type, 1).status).toBe(STATUS_ACCESS_DENIED);
    expect(obReferenceObjectByHandle(k, handle, 1, exportedType(k, 'IoFileObjectType'), 0).status).toBe(
      STATUS_OBJECT_TYPE_MISMATCH,
    );
    for (const wrong of [0, handle + 4, 0x400, 0x10000000])
      expect(obReferenceObjectByHandle(k, wrong, 0, 0, 0).status).toBe(STATUS_INVALID_HANDLE);
    const kernel = obCreateHandle(k, e, 1, 0x200);
    expect(kernel.handle).toBeLessThan(0);
    expect(obReferenceObjectByHandle(k, kernel.handle, 0, type, 0).object).toBe(e);
    expect(obReferenceObjectByHandle(k, kernel.handle, 0, type, 1).status).toBe(STATUS_INVALID_HANDLE);
    expect(findHandle(k, handle | 3, 0).entry).toBe(findHandle(k, handle, 0).entry);
  });
});
