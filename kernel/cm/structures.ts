/** Structures of the registry in pool: keys, values, key objects. */
import { LIST_ENTRY, UNICODE_STRING } from '../types/rtl.ts';
import { i64, ptr, struct, u32 } from '../types/struct.ts';

/** One key. References are its key objects and, as long as it is not deleted, its place in the tree. */
export const CM_KEY_CONTROL_BLOCK = struct('_CM_KEY_CONTROL_BLOCK', {
  RefCount: u32,
  Flags: u32,
  ParentKcb: ptr,
  SubKeyListHead: LIST_ENTRY,
  SiblingLink: LIST_ENTRY,
  ValueListHead: LIST_ENTRY,
  Name: UNICODE_STRING,
  Class: UNICODE_STRING,
  /** A link key (CurrentControlSet) is another name for this path; else empty. */
  LinkTarget: UNICODE_STRING,
  LastWriteTime: i64,
  SubKeyCount: u32,
  ValueCount: u32,
  Security: ptr,
  /** The full path, made when a callback asks for it. */
  FullName: UNICODE_STRING,
  /** The transaction that has made or deleted the key and not ended yet, and which of both (transaction.ts). */
  Trans: ptr,
  TransKind: u32,
  /** The transaction that has changed values, name, descriptor or time and not ended yet; what it sees instead of the last three. */
  LockTrans: ptr,
  PendingName: UNICODE_STRING,
  PendingSecurity: ptr,
  PendingTime: i64,
});
export const CM_KEY_VALUE = struct('_CM_KEY_VALUE', {
  Link: LIST_ENTRY,
  Type: u32,
  DataLength: u32,
  Data: ptr,
  Name: UNICODE_STRING,
  Trans: ptr,
  TransKind: u32,
});
export const CM_KEY_BODY = struct(
  '_CM_KEY_BODY',
  {
    Type: u32,
    KeyControlBlock: [8, ptr],
    NotifyBlock: ptr,
    ProcessID: ptr,
    KeyBodyList: LIST_ENTRY,
    /** The transaction that the key object belongs to, with a reference. */
    Trans: [0x38, ptr],
    ContextListHead: [0x48, LIST_ENTRY],
  },
  { size: 0x60 },
);
/** Offset of the contexts that registry callbacks keep with a key object. */
export const KEY_CONTEXT_LIST = CM_KEY_BODY.f.ContextListHead.offset;
/** CM_KEY_BODY.Type: 'ky02'. */
export const KEY_BODY_TYPE = 0x6b793032;
/** CM_KEY_CONTROL_BLOCK.Flags. */
export const KCB_DELETED = 1,
  KCB_VOLATILE = 2,
  KCB_SYM_LINK = 4;
