/** OBJECT_HEADER.ObjectCreateInfo: what ObCreateObject was told and ObInsertObject carries out. */
import type { Kernel } from '../kernel.ts';
import { exAllocatePool, exFreePool } from '../mm/pool.ts';
import { poolDescriptor } from '../se/descriptor.ts';
import { PagedPool } from '../types/mm.ts';
import { OBJECT_HEADER, OBJECT_HEADER_SIZE } from '../types/ob.ts';
import { UNICODE_STRING } from '../types/rtl.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS } from '../types/status.ts';
import { ptr, struct, u32 } from '../types/struct.ts';
import type { Attributes } from './attributes.ts';
import { poolTag } from './globals.ts';
import { captureDescriptor } from './security.ts';
import { allocateString, freeString, readString } from './string.ts';

const INFORMATION = struct('_OBJECT_CREATE_INFORMATION', {
  Attributes: u32,
  RootDirectory: ptr,
  SecurityDescriptor: ptr,
  Name: UNICODE_STRING,
});
const I = INFORMATION.f;
const TAG = poolTag('ObCi');
const slot = (body: number): number => body - OBJECT_HEADER_SIZE + OBJECT_HEADER.f.ObjectCreateInfo.offset;

/** Keeps the attributes of a new object. STATUS_INVALID_SECURITY_DESCR, STATUS_INSUFFICIENT_RESOURCES. */
export function keepCreateInformation(k: Kernel, body: number, a: Attributes, securityDescriptor: number): number {
  const captured = captureDescriptor(k, securityDescriptor);
  if (captured.status !== STATUS_SUCCESS) return captured.status;
  const at = exAllocatePool(k, PagedPool, INFORMATION.size, TAG);
  if (!at) return STATUS_INSUFFICIENT_RESOURCES;
  k.mem.fill(at, INFORMATION.size, 0);
  k.mem.writePtr(slot(body), at);
  I.Attributes.set(k.mem, at, a.attributes);
  I.RootDirectory.set(k.mem, at, a.root);
  const sd = captured.descriptor ? poolDescriptor(k, captured.descriptor) : 0;
  I.SecurityDescriptor.set(k.mem, at, sd);
  const named = a.path === '' || allocateString(k, at + I.Name.offset, a.path, TAG);
  return named && (sd || !captured.descriptor) ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

/** What was kept; an object without it has no name and no descriptor to get. */
export function createInformation(k: Kernel, body: number): { attributes: Attributes; securityDescriptor: number } {
  const at = k.mem.readPtr(slot(body));
  if (!at) return { attributes: { status: STATUS_SUCCESS, path: '', root: 0, attributes: 0 }, securityDescriptor: 0 };
  return {
    attributes: {
      status: STATUS_SUCCESS,
      path: readString(k, at + I.Name.offset),
      root: I.RootDirectory.get(k.mem, at),
      attributes: I.Attributes.get(k.mem, at),
    },
    securityDescriptor: I.SecurityDescriptor.get(k.mem, at),
  };
}

/** Frees it: the object is inserted, or is no more. */
export function freeCreateInformation(k: Kernel, body: number): void {
  const at = k.mem.readPtr(slot(body));
  if (!at) return;
  k.mem.writePtr(slot(body), 0);
  const sd = I.SecurityDescriptor.get(k.mem, at);
  if (sd) exFreePool(k, sd, 0);
  freeString(k, at + I.Name.offset);
  exFreePool(k, at, 0);
}
