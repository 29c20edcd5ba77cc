/** Brings the registry up: the tree that drivers expect to find, and `\REGISTRY` in the namespace. Runs once, after the object manager's namespace. */
import type { Kernel } from '../kernel.ts';
import { obInsertNamed } from '../ob/directory.ts';
import { poolTag } from '../ob/globals.ts';
import { obCreateObject } from '../ob/object.ts';
import { allocateString } from '../ob/string.ts';
import { exportedType } from '../ob/type.ts';
import { STATUS_SUCCESS } from '../types/status.ts';
import { CM_KEY_BODY, CM_KEY_NODE, cmCreatePath, cmSetDword, cmSetString, createNode, KEY_BODY_TYPE, KEY_LINK, referenceNode, walkKey } from './registry.ts';

const KEYS = [
  '\\Registry\\Machine\\Hardware\\Description\\System\\CentralProcessor\\0',
  '\\Registry\\Machine\\Hardware\\DeviceMap',
  '\\Registry\\Machine\\Hardware\\ResourceMap',
  '\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion',
  '\\Registry\\Machine\\System\\ControlSet001\\Control\\Class',
  '\\Registry\\Machine\\System\\ControlSet001\\Control\\DeviceClasses',
  '\\Registry\\Machine\\System\\ControlSet001\\Control\\Session Manager\\Memory Management',
  '\\Registry\\Machine\\System\\ControlSet001\\Enum',
  '\\Registry\\Machine\\System\\ControlSet001\\Hardware Profiles\\0001',
  '\\Registry\\Machine\\System\\ControlSet001\\Services',
  '\\Registry\\User\\.Default',
];

/** A key object for a node: it holds a reference to it. 0 without pool. */
export function createKeyObject(k: Kernel, node: number, options: { named?: boolean; permanent?: boolean } = {}): number {
  const body = obCreateObject(k, exportedType(k, 'CmKeyObjectType'), CM_KEY_BODY.size, options);
  if (!body) return 0;
  CM_KEY_BODY.f.Type.set(k.mem, body, KEY_BODY_TYPE);
  CM_KEY_BODY.f.KeyNode.set(k.mem, body, node);
  referenceNode(k, node);
  return body;
}

/** Phase 1 of the configuration manager. */
export function cmInit(k: Kernel): void {
  const root = createNode(k, 0, 'REGISTRY');
  if (!root) throw new Error('no pool for the registry');
  k.global.set('CmpRegistryRootNode', root);
  const object = createKeyObject(k, root, { named: true, permanent: true });
  if (!object || obInsertNamed(k, '\\REGISTRY', object) !== STATUS_SUCCESS) throw new Error('\\REGISTRY could not be made');
  k.global.set('CmpRegistryRootObject', object);
  // Components that NT shows in capitals.
  for (const path of ['\\REGISTRY\\MACHINE', '\\REGISTRY\\MACHINE\\HARDWARE', '\\REGISTRY\\MACHINE\\SOFTWARE', '\\REGISTRY\\MACHINE\\SYSTEM', '\\REGISTRY\\USER', ...KEYS]) {
    if (!cmCreatePath(k, path)) throw new Error(`no pool for the registry key ${path}`);
  }
  const system = walkKey(k, root, 'MACHINE\\SYSTEM').node;
  const link = createNode(k, system, 'CurrentControlSet', KEY_LINK);
  if (!link || !allocateString(k, link + CM_KEY_NODE.f.LinkTarget.offset, '\\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001', poolTag('CM25'))) throw new Error('no pool for CurrentControlSet');
  const version = walkKey(k, root, 'MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion').node;
  cmSetString(k, version, 'ProductName', 'Windows 10 Pro');
  cmSetString(k, version, 'CurrentVersion', '6.3');
  cmSetString(k, version, 'CurrentBuild', '19045');
  cmSetString(k, version, 'CurrentBuildNumber', '19045');
  cmSetDword(k, version, 'CurrentMajorVersionNumber', 10);
  cmSetDword(k, version, 'CurrentMinorVersionNumber', 0);
  cmSetString(k, version, 'SystemRoot', 'C:\\Windows');
  const processor = walkKey(k, root, 'MACHINE\\HARDWARE\\DESCRIPTION\\System\\CentralProcessor\\0').node;
  cmSetDword(k, processor, '~MHz', Math.round(k.config.tscHz / 1_000_000));
}
