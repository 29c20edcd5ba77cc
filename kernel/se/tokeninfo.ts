/** TOKEN_INFORMATION_CLASS: what can be asked of a token, as the structures of ntifs.h. */
import type { Kernel } from '../kernel.ts';
import {
  SE_GROUP_INTEGRITY,
  SE_GROUP_LOGON_ID,
  SE_PRIVILEGE_ENABLED,
  SE_PRIVILEGE_ENABLED_BY_DEFAULT,
  TOKEN_IS_RESTRICTED,
  TOKEN_SANDBOX_INERT,
  TOKEN_UIACCESS,
  TOKEN_VIRTUALIZE_ALLOWED,
  TOKEN_VIRTUALIZE_ENABLED,
} from '../types/se.ts';
import { aclBytes } from './acl.ts';
import { ADMINISTRATORS, sidBytes } from './sid.ts';
import {
  defaultPrivileges,
  enabledPrivileges,
  type Group,
  groupsMatch,
  presentPrivileges,
  privilegeNumbers,
  restrictedSids,
  T,
  tokenDefaultDacl,
  tokenGroups,
  tokenOwner,
  tokenPrimaryGroup,
} from './token.ts';

export interface TokenInformation {
  size: number;
  /** Writes the structure at an address; pointers in it lead into the same block. */
  write(to: number): void;
}

/** SID_AND_ATTRIBUTES at `to`, their SIDs at `text`; where the next SID goes. */
function writeGroupList(k: Kernel, to: number, text: number, groups: readonly Group[]): number {
  let at = text;
  groups.forEach((g, i) => {
    const bytes = sidBytes(g.sid);
    k.mem.writePtr(to + i * 16, at);
    k.mem.write32(to + i * 16 + 8, g.attributes >>> 0);
    k.mem.write32(to + i * 16 + 12, 0);
    k.mem.writeBytes(at, bytes);
    at += bytes.length;
  });
  return at;
}

/** TOKEN_GROUPS. */
export function groupInformation(k: Kernel, groups: readonly Group[]): TokenInformation {
  return {
    size: 8 + groups.reduce((n, g) => n + 16 + sidBytes(g.sid).length, 0),
    write(to) {
      k.mem.write32(to, groups.length);
      k.mem.write32(to + 4, 0);
      writeGroupList(k, to + 8, to + 8 + groups.length * 16, groups);
    },
  };
}

/** One SID with attributes: TOKEN_USER, TOKEN_MANDATORY_LABEL. */
const oneSid = (k: Kernel, g: Group): TokenInformation => ({
  size: 16 + sidBytes(g.sid).length,
  write: to => void writeGroupList(k, to, to + 16, [g]),
});

/** A pointer to bytes that follow it: TOKEN_OWNER, TOKEN_PRIMARY_GROUP, TOKEN_DEFAULT_DACL. */
const pointed = (k: Kernel, bytes: Uint8Array | null): TokenInformation => ({
  size: 8 + (bytes?.length ?? 0),
  write(to) {
    k.mem.writePtr(to, bytes ? to + 8 : 0);
    if (bytes) k.mem.writeBytes(to + 8, bytes);
  },
});

const number = (k: Kernel, value: number): TokenInformation => ({ size: 4, write: to => k.mem.write32(to, value >>> 0) });

/** The privileges of a token as LUID_AND_ATTRIBUTES. */
export function privilegeList(k: Kernel, token: number): { number: number; attributes: number }[] {
  const enabled = enabledPrivileges(k, token);
  const byDefault = defaultPrivileges(k, token);
  return privilegeNumbers(presentPrivileges(k, token)).map(n => ({
    number: n,
    attributes:
      (enabled & (1n << BigInt(n)) ? SE_PRIVILEGE_ENABLED : 0) |
      (byDefault & (1n << BigInt(n)) ? SE_PRIVILEGE_ENABLED_BY_DEFAULT : 0),
  }));
}

export function writePrivileges(k: Kernel, to: number, list: readonly { number: number; attributes: number }[]): void {
  list.forEach((p, i) => {
    k.mem.write64(to + i * 12, BigInt(p.number));
    k.mem.write32(to + i * 12 + 8, p.attributes);
  });
}

/** CLAIM_SECURITY_ATTRIBUTES_INFORMATION with no attributes: nobody here issues claims. */
const noAttributes = (k: Kernel): TokenInformation => ({
  size: 16,
  write(to) {
    k.mem.fill(to, 16, 0);
    k.mem.write16(to, 1);
  },
});

/** TOKEN_GROUPS_AND_PRIVILEGES: lists of groups, restricting groups and privileges behind it; lengths in bytes with the SIDs. */
function groupsAndPrivileges(k: Kernel, token: number): TokenInformation {
  const { mem } = k;
  const HEADER = 0x38;
  const groups = tokenGroups(k, token),
    restricted = restrictedSids(k, token),
    privileges = privilegeList(k, token);
  const bytes = (list: readonly Group[]): number => list.reduce((n, g) => n + 16 + sidBytes(g.sid).length, 0);
  const [ours, theirs] = [bytes(groups), bytes(restricted)];
  const aligned = Math.ceil(ours / 8) * 8,
    second = Math.ceil(theirs / 8) * 8;
  return {
    size: HEADER + aligned + second + privileges.length * 12,
    write(to) {
      const lists = [
        { at: to, count: groups.length, bytes: ours, data: to + HEADER },
        { at: to + 0x10, count: restricted.length, bytes: theirs, data: restricted.length ? to + HEADER + aligned : 0 },
        { at: to + 0x20, count: privileges.length, bytes: privileges.length * 12, data: to + HEADER + aligned + second },
      ];
      for (const l of lists) {
        mem.write32(l.at, l.count);
        mem.write32(l.at + 4, l.bytes);
        mem.writePtr(l.at + 8, l.data);
      }
      mem.write64(to + 0x30, T.AuthenticationId.get(mem, token));
      writeGroupList(k, to + HEADER, to + HEADER + groups.length * 16, groups);
      writeGroupList(k, to + HEADER + aligned, to + HEADER + aligned + restricted.length * 16, restricted);
      writePrivileges(k, to + HEADER + aligned + second, privileges);
    },
  };
}

/** The information of a class, or null for a class that there is not. */
export function tokenInformation(k: Kernel, token: number, kind: number): TokenInformation | null {
  const { mem } = k;
  const groups = tokenGroups(k, token);
  const flag = (bit: number): number => (T.TokenFlags.get(mem, token) & bit ? 1 : 0);
  const admin = groupsMatch(groups, ADMINISTRATORS, false);
  switch (kind) {
    case 1: // TokenUser
      return oneSid(k, groups[0]!);
    case 2: // TokenGroups
      return groupInformation(k, groups.slice(1));
    case 3: {
      // TokenPrivileges
      const list = privilegeList(k, token);
      return {
        size: 4 + list.length * 12,
        write(to) {
          mem.write32(to, list.length);
          writePrivileges(k, to + 4, list);
        },
      };
    }
    case 4: // TokenOwner
      return pointed(k, sidBytes(tokenOwner(k, token)));
    case 5: // TokenPrimaryGroup
      return pointed(k, sidBytes(tokenPrimaryGroup(k, token)));
    case 6: {
      // TokenDefaultDacl
      const dacl = tokenDefaultDacl(k, token);
      return pointed(k, dacl && aclBytes(dacl));
    }
    case 7: // TokenSource
      return { size: 16, write: to => mem.copy(to, token, 16) };
    case 8: // TokenType
      return number(k, T.TokenType.get(mem, token));
    case 9: // TokenImpersonationLevel
      return number(k, T.ImpersonationLevel.get(mem, token));
    case 10: // TokenStatistics
      return {
        size: 0x38,
        write(to) {
          mem.write64(to, T.TokenId.get(mem, token));
          mem.write64(to + 8, T.AuthenticationId.get(mem, token));
          mem.write64(to + 16, BigInt.asUintN(64, T.ExpirationTime.get(mem, token)));
          mem.write32(to + 24, T.TokenType.get(mem, token));
          mem.write32(to + 28, T.ImpersonationLevel.get(mem, token));
          mem.write32(to + 32, T.DynamicCharged.get(mem, token));
          mem.write32(to + 36, T.DynamicAvailable.get(mem, token));
          mem.write32(to + 40, groups.length - 1);
          mem.write32(to + 44, privilegeNumbers(presentPrivileges(k, token)).length);
          mem.write64(to + 48, T.ModifiedId.get(mem, token));
        },
      };
    case 11: // TokenRestrictedSids
      return groupInformation(k, restrictedSids(k, token));
    case 12: // TokenSessionId
      return number(k, T.SessionId.get(mem, token));
    case 13: // TokenGroupsAndPrivileges
      return groupsAndPrivileges(k, token);
    case 15: // TokenSandBoxInert
      return number(k, flag(TOKEN_SANDBOX_INERT));
    case 17: // TokenOrigin
      return { size: 8, write: to => mem.write64(to, T.OriginatingLogonSession.get(mem, token)) };
    case 18: // TokenElevationType: TokenElevationTypeDefault
      return number(k, 1);
    case 20: // TokenElevation
      return number(k, admin ? 1 : 0);
    case 21: // TokenHasRestrictions
      return number(k, flag(TOKEN_IS_RESTRICTED));
    case 23: // TokenVirtualizationAllowed
      return number(k, flag(TOKEN_VIRTUALIZE_ALLOWED));
    case 24: // TokenVirtualizationEnabled
      return number(k, flag(TOKEN_VIRTUALIZE_ENABLED));
    case 25: {
      // TokenIntegrityLevel
      const index = T.IntegrityLevelIndex.get(mem, token);
      return oneSid(k, index === 0xffffffff ? { sid: 'S-1-16-8192', attributes: SE_GROUP_INTEGRITY } : groups[index]!);
    }
    case 26: // TokenUIAccess
      return number(k, flag(TOKEN_UIACCESS));
    case 27: // TokenMandatoryPolicy
      return number(k, T.MandatoryPolicy.get(mem, token));
    case 28: {
      // TokenLogonSid
      const logon = groups.filter(g => (g.attributes & SE_GROUP_LOGON_ID) >>> 0 === SE_GROUP_LOGON_ID);
      return logon.length ? groupInformation(k, logon) : null;
    }
    case 30: // TokenCapabilities
    case 37: // TokenDeviceGroups
    case 38: // TokenRestrictedDeviceGroups
      return groupInformation(k, []);
    case 31: // TokenAppContainerSid
    case 41: // TokenProcessTrustLevel
      return pointed(k, null);
    case 33: // TokenUserClaimAttributes
    case 34: // TokenDeviceClaimAttributes
    case 35: // TokenRestrictedUserClaimAttributes
    case 36: // TokenRestrictedDeviceClaimAttributes
    case 39: // TokenSecurityAttributes
      return noAttributes(k);
    case 40: // TokenIsRestricted
      return number(k, flag(TOKEN_IS_RESTRICTED));
    // TokenIsAppContainer, TokenAppContainerNumber, TokenPrivateNameSpace, TokenSingletonAttributes, TokenIsLessPrivilegedAppContainer, TokenIsSandboxed: what there are no app containers for.
    case 29:
    case 32:
    case 42:
    case 43:
    case 46:
    case 47:
      return number(k, 0);
    default:
      return null;
  }
}
