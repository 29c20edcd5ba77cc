import { struct, u32, u64 } from './struct.ts';

export const REG_NONE = 0, REG_SZ = 1, REG_EXPAND_SZ = 2, REG_BINARY = 3, REG_DWORD = 4, REG_DWORD_BIG_ENDIAN = 5, REG_LINK = 6, REG_MULTI_SZ = 7, REG_RESOURCE_LIST = 8;
export const REG_FULL_RESOURCE_DESCRIPTOR = 9, REG_RESOURCE_REQUIREMENTS_LIST = 10, REG_QWORD = 11;
// KEY_VALUE_INFORMATION_CLASS
export const KeyValueBasicInformation = 0, KeyValueFullInformation = 1, KeyValuePartialInformation = 2, KeyValueFullInformationAlign64 = 3, KeyValuePartialInformationAlign64 = 4;
// KEY_INFORMATION_CLASS
export const KeyBasicInformation = 0, KeyNodeInformation = 1, KeyFullInformation = 2, KeyNameInformation = 3, KeyCachedInformation = 4, KeyFlagsInformation = 5, KeyVirtualizationInformation = 6;
export const KeyHandleTagsInformation = 7;

/** The name (KEY_VALUE_*: and the data) follow. */
export const KEY_VALUE_BASIC_INFORMATION = struct('_KEY_VALUE_BASIC_INFORMATION', { TitleIndex: u32, Type: u32, NameLength: u32 });
export const KEY_VALUE_FULL_INFORMATION = struct('_KEY_VALUE_FULL_INFORMATION', { TitleIndex: u32, Type: u32, DataOffset: u32, DataLength: u32, NameLength: u32 });
export const KEY_VALUE_PARTIAL_INFORMATION = struct('_KEY_VALUE_PARTIAL_INFORMATION', { TitleIndex: u32, Type: u32, DataLength: u32 });
export const KEY_BASIC_INFORMATION = struct('_KEY_BASIC_INFORMATION', { LastWriteTime: u64, TitleIndex: u32, NameLength: u32 });
export const KEY_NODE_INFORMATION = struct('_KEY_NODE_INFORMATION', { LastWriteTime: u64, TitleIndex: u32, ClassOffset: u32, ClassLength: u32, NameLength: u32 });
export const KEY_FULL_INFORMATION = struct('_KEY_FULL_INFORMATION', {
  LastWriteTime: u64, TitleIndex: u32, ClassOffset: u32, ClassLength: u32, SubKeys: u32, MaxNameLen: u32, MaxClassLen: u32, Values: u32, MaxValueNameLen: u32, MaxValueDataLen: u32,
});
export const KEY_NAME_INFORMATION = struct('_KEY_NAME_INFORMATION', { NameLength: u32 });
