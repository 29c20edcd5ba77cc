/**
 * Tokens of people: what a program that somebody started is. The administrator is an elevated one (user account control has no part in this machine), the user an ordinary one. The
 * groups are those that Windows gives to a person who logs on at the machine; the privileges those of the default security policy ("User Rights Assignment").
 */
import type { Kernel } from '../kernel.ts';
import { SE_GROUP_INTEGRITY, SE_GROUP_LOGON_ID, SE_GROUP_OWNER, SecurityImpersonation, TokenPrimary } from '../types/se.ts';
import { allow } from './acl.ts';
import { ADMINISTRATORS, AUTHENTICATED_USERS, INTERACTIVE, LABEL_HIGH, LABEL_MEDIUM, LOCAL_SYSTEM, USERS, WORLD } from './sid.ts';
import { allocateLuid, createToken, type Group, privilegeMask, type TokenSpec } from './token.ts';

export type Account = 'administrator' | 'user';

/** The machine's own accounts: its identifier, made up and always the same, and the numbers of the first administrator and of the first other user. */
const MACHINE = 'S-1-5-21-1004336348-1177238915-682003330';
const NONE_GROUP = 513;
const ACCOUNTS: { readonly [account in Account]: { rid: number; label: string; admin: boolean } } = {
  administrator: { rid: 500, label: LABEL_HIGH, admin: true },
  user: { rid: 1001, label: LABEL_MEDIUM, admin: false },
};
const CONSOLE_LOGON = 'S-1-2-1',
  THIS_ORGANIZATION = 'S-1-5-15',
  LOCAL_ACCOUNT = 'S-1-5-113',
  LOCAL = 'S-1-2-0';
/** Mandatory, enabled, enabled by default. */
const ORDINARY = 7;
const GENERIC_ALL = 0x10000000;
/** TOKEN.MandatoryPolicy: no write up, new processes get the lower label. */
const NO_WRITE_UP = 1,
  NEW_PROCESS_MIN = 2;

/** Shutdown, change notify, undock, increase working set, time zone. */
const USER_PRIVILEGES = [19, 23, 25, 33, 34];
/** Those, and quota, security, take ownership, load driver, profiles, system time, priority, page file, backup, restore, debug, environment, remote shutdown, volumes, impersonate, global objects, links, delegation. */
const ADMIN_PRIVILEGES = [...USER_PRIVILEGES, 5, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 20, 22, 24, 28, 29, 30, 35, 36];
/** What is enabled from the start: change notify, and for an administrator impersonate and global objects. */
const USER_ENABLED = [23],
  ADMIN_ENABLED = [23, 29, 30];

/** A primary token of an account, with a logon session of its own. One reference, which is the caller's; 0 without pool. */
export function createAccountToken(k: Kernel, account: Account): number {
  const { rid, label, admin } = ACCOUNTS[account];
  const session = allocateLuid(k);
  const user = `${MACHINE}-${rid}`;
  const logon = `S-1-5-5-${session >> 32n}-${session & 0xffffffffn}`;
  const group = (sid: string, attributes = ORDINARY): Group => ({ sid, attributes });
  const groups: Group[] = [
    group(user, 0),
    group(`${MACHINE}-${NONE_GROUP}`),
    group(WORLD),
    group(LOCAL_ACCOUNT),
    ...(admin ? [group(ADMINISTRATORS, ORDINARY | SE_GROUP_OWNER)] : []),
    group(USERS),
    group(INTERACTIVE),
    group(CONSOLE_LOGON),
    group(AUTHENTICATED_USERS),
    group(THIS_ORGANIZATION),
    group(logon, ORDINARY | SE_GROUP_LOGON_ID),
    group(LOCAL),
    group(label, SE_GROUP_INTEGRITY | 0x40),
  ];
  const owner = admin ? ADMINISTRATORS : user;
  const enabled = privilegeMask(...(admin ? ADMIN_ENABLED : USER_ENABLED));
  const spec: TokenSpec = {
    type: TokenPrimary,
    level: SecurityImpersonation,
    authenticationId: session,
    groups,
    restricted: [],
    present: privilegeMask(...(admin ? ADMIN_PRIVILEGES : USER_PRIVILEGES)),
    enabled,
    enabledByDefault: enabled,
    owner: groups.findIndex(g => g.sid === owner),
    primaryGroup: `${MACHINE}-${NONE_GROUP}`,
    defaultDacl: { revision: 2, aces: [allow(GENERIC_ALL, owner), allow(GENERIC_ALL, LOCAL_SYSTEM), allow(0xa0000000, logon)] },
    source: 'User32 ',
    flags: 0,
    sessionId: 0,
    parent: 0n,
    originating: 0x3e7n,
    mandatoryPolicy: NO_WRITE_UP | NEW_PROCESS_MIN,
  };
  return createToken(k, spec);
}
