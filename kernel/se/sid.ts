/** Security identifiers. In the guest they are SID structures; here they are their text (`S-1-5-18`), which compares with `===`. Source: MS-DTYP 2.4.2. */
import type { Kernel } from '../kernel.ts';

export const SID_REVISION = 1;
export const SID_MAX_SUB_AUTHORITIES = 15;

/** Well-known identifiers (MS-DTYP 2.4.2.4). */
export const WORLD = 'S-1-1-0',
  CREATOR_OWNER = 'S-1-3-0',
  CREATOR_GROUP = 'S-1-3-1',
  OWNER_RIGHTS = 'S-1-3-4',
  INTERACTIVE = 'S-1-5-4',
  ANONYMOUS = 'S-1-5-7',
  AUTHENTICATED_USERS = 'S-1-5-11',
  RESTRICTED_CODE = 'S-1-5-12',
  LOCAL_SYSTEM = 'S-1-5-18',
  ADMINISTRATORS = 'S-1-5-32-544',
  USERS = 'S-1-5-32-545',
  LABEL_MEDIUM = 'S-1-16-8192',
  LABEL_HIGH = 'S-1-16-12288',
  LABEL_SYSTEM = 'S-1-16-16384';

/** Bytes of the SID at `sid`. */
export const sidLength = (k: Kernel, sid: number): number => 8 + k.mem.read8(sid + 1) * 4;

export const isValidSid = (k: Kernel, sid: number): boolean =>
  sid !== 0 && k.mem.read8(sid) === SID_REVISION && k.mem.read8(sid + 1) <= SID_MAX_SUB_AUTHORITIES;

/** The text of the SID in `bytes` from `at`. */
export function sidText(bytes: Uint8Array, at = 0): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let authority = 0;
  for (let i = 2; i < 8; i++) authority = authority * 256 + bytes[at + i]!;
  // An authority above 32 bits is written in hexadecimal, all twelve digits.
  let text = `S-1-${authority > 0xffffffff ? `0x${authority.toString(16).toUpperCase().padStart(12, '0')}` : authority}`;
  for (let i = 0; i < bytes[at + 1]!; i++) text += `-${view.getUint32(at + 8 + i * 4, true)}`;
  return text;
}

/** The text of the SID at `sid`. */
export const readSid = (k: Kernel, sid: number): string => sidText(k.mem.readBytes(sid, sidLength(k, sid)));

/** A SID as the guest has it. */
export function sidBytes(sid: string): Uint8Array {
  const [authority, ...sub] = sid.split('-').slice(2).map(Number);
  const out = new Uint8Array(8 + sub.length * 4);
  const view = new DataView(out.buffer);
  out[0] = SID_REVISION;
  out[1] = sub.length;
  view.setUint16(2, Math.floor(authority! / 0x100000000));
  view.setUint32(4, authority! % 0x100000000);
  sub.forEach((s, i) => view.setUint32(8 + i * 4, s, true));
  return out;
}

/** The level of a mandatory label (`S-1-16-level`), or -1. */
export const integrityLevel = (sid: string): number => (sid.startsWith('S-1-16-') ? Number(sid.slice(7)) : -1);
