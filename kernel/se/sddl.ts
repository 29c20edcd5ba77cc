/** The security descriptor definition language, as far as the kernel's own descriptors use it: `O:SYG:SYD:P(A;;GA;;;SY)`. Source: MS-DTYP 2.5.1. */
import { SE_DACL_AUTO_INHERITED, SE_DACL_PRESENT, SE_DACL_PROTECTED, SE_SACL_PRESENT, SE_SACL_PROTECTED } from '../types/se.ts';
import { ace, type Acl, ACL_REVISION } from './acl.ts';
import type { Descriptor } from './descriptor.ts';
import * as sid from './sid.ts';

const SIDS: { readonly [name: string]: string } = {
  WD: sid.WORLD,
  CO: sid.CREATOR_OWNER,
  CG: sid.CREATOR_GROUP,
  OW: sid.OWNER_RIGHTS,
  IU: sid.INTERACTIVE,
  AU: sid.AUTHENTICATED_USERS,
  RC: sid.RESTRICTED_CODE,
  SY: sid.LOCAL_SYSTEM,
  BA: sid.ADMINISTRATORS,
  BU: sid.USERS,
  AN: sid.ANONYMOUS,
  ME: sid.LABEL_MEDIUM,
  HI: sid.LABEL_HIGH,
  SI: sid.LABEL_SYSTEM,
  LW: 'S-1-16-4096',
};
const RIGHTS: { readonly [name: string]: number } = {
  GA: 0x10000000,
  GR: 0x80000000,
  GW: 0x40000000,
  GX: 0x20000000,
  RC: 0x20000,
  SD: 0x10000,
  WD: 0x40000,
  WO: 0x80000,
  KA: 0xf003f,
  KR: 0x20019,
  FA: 0x1f01ff,
  NR: 2,
  NW: 1,
  NX: 4,
};
const FLAGS: { readonly [name: string]: number } = { OI: 1, CI: 2, NP: 4, IO: 8, ID: 0x10, SA: 0x40, FA: 0x80 };
const TYPES: { readonly [name: string]: number } = { A: 0, D: 1, AU: 2, ML: 17 };

const pairs = (text: string, table: { readonly [name: string]: number }): number =>
  (text.match(/../g) ?? []).reduce((bits, name) => (bits | (table[name] ?? 0)) >>> 0, 0);

function parseAcl(text: string): Acl {
  const aces = [...text.matchAll(/\(([^)]*)\)/g)].map(m => {
    const [type, flags, rights, , , who] = m[1]!.split(';');
    const mask = rights!.startsWith('0x') ? parseInt(rights!, 16) : pairs(rights!, RIGHTS);
    return ace(TYPES[type!]!, pairs(flags!, FLAGS), mask, SIDS[who!] ?? who!);
  });
  return { revision: ACL_REVISION, aces };
}

/** Parses a descriptor that the kernel itself writes down; anything it does not know is a mistake of ours and throws. */
export function sddl(text: string): Descriptor {
  const out: Descriptor = { control: 0, owner: null, group: null, dacl: null, sacl: null };
  for (const m of text.matchAll(/([OGDS]):((?:(?![OGDS]:)[^()]|\([^)]*\))*)/g)) {
    const body = m[2]!;
    const flags = body.replace(/\(.*$/, '');
    if (m[1] === 'O') out.owner = SIDS[body] ?? body;
    else if (m[1] === 'G') out.group = SIDS[body] ?? body;
    else if (m[1] === 'D') {
      out.control |=
        SE_DACL_PRESENT | (flags.includes('P') ? SE_DACL_PROTECTED : 0) | (flags.includes('AI') ? SE_DACL_AUTO_INHERITED : 0);
      out.dacl = parseAcl(body);
    } else {
      out.control |= SE_SACL_PRESENT | (flags.includes('P') ? SE_SACL_PROTECTED : 0);
      out.sacl = parseAcl(body);
    }
  }
  for (const s of [out.owner, out.group, ...[out.dacl, out.sacl].flatMap(l => l?.aces.map(a => a.sid) ?? [])])
    if (s !== null && !/^S-1-/.test(s)) throw new Error(`unknown identifier ${s} in ${text}`);
  return out;
}

/** What strings of drivers may name beyond what the kernel's own do. */
const MORE_SIDS: { readonly [name: string]: string } = {
  LS: 'S-1-5-19',
  NS: 'S-1-5-20',
  NU: 'S-1-5-2',
  SU: 'S-1-5-6',
  BG: 'S-1-5-32-546',
  PU: 'S-1-5-32-547',
  BO: 'S-1-5-32-551',
  AC: 'S-1-15-2-1',
  UD: 'S-1-5-84-0-0-0-0-0',
};
const MORE_RIGHTS: { readonly [name: string]: number } = {
  ...RIGHTS,
  FR: 0x120089,
  FW: 0x120116,
  FX: 0x1200a0,
  CC: 1,
  DC: 2,
  LC: 4,
  SW: 8,
  RP: 0x10,
  WP: 0x20,
  DT: 0x40,
  LO: 0x80,
  CR: 0x100,
};

/** The rights of an entry, in hexadecimal or by their names; null for what is neither. */
function deviceRights(text: string): number | null {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return parseInt(text, 16);
  const names = text.match(/../g) ?? [];
  return text.length % 2 === 0 && text !== '' && names.every(n => MORE_RIGHTS[n] !== undefined) ? pairs(text, MORE_RIGHTS) : null;
}

/** A driver's string for who may open its device: a discretionary list of entries that allow, `D:P(A;;GA;;;SY)(A;;GR;;;BA)` ("SDDL for Device Objects", WDK). Null for anything else. */
export function deviceSddl(text: string): Acl | null {
  if (!/^D:P?(\(A;;[^;()]+;;;[^;()]+\))*$/.test(text)) return null;
  const aces = [];
  for (const m of text.matchAll(/\(A;;([^;]+);;;([^)]+)\)/g)) {
    const mask = deviceRights(m[1]!);
    const who = SIDS[m[2]!] ?? MORE_SIDS[m[2]!] ?? m[2]!;
    if (mask === null || !/^S-1-\d+(-\d+){0,15}$/.test(who)) return null;
    aces.push(ace(TYPES['A']!, 0, mask, who));
  }
  return { revision: ACL_REVISION, aces };
}
