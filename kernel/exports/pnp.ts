/** Plug and Play manager: each routine lives with its subject in kernel/pnp/. */
import type { NtExport } from './declare.ts';
import { exports as actions } from '../pnp/action.ts';
import { exports as configuration } from '../pnp/configure.ts';
import { exports as detection } from '../pnp/detect.ts';
import { exports as devices } from '../pnp/device.ts';
import { exports as identity } from '../pnp/identify.ts';
import { exports as interfaces } from '../pnp/interface.ts';
import { exports as notify } from '../pnp/notify.ts';
import { exports as pdos } from '../pnp/pdo.ts';
import { exports as idle } from '../po/idle.ts';
import { exports as power } from '../po/power.ts';
import { exports as powerRequests } from '../po/request.ts';
import { exports as powerSettings } from '../po/settings.ts';
import { exports as properties } from '../pnp/property.ts';
import { exports as relations } from '../pnp/relations.ts';
import { exports as removal } from '../pnp/remove.ts';
import { exports as send } from '../pnp/send.ts';
import { exports as tree } from '../pnp/tree.ts';

export const exports: NtExport[] = [
  ...send,
  ...tree,
  ...pdos,
  ...detection,
  ...identity,
  ...relations,
  ...configuration,
  ...removal,
  ...devices,
  ...actions,
  ...interfaces,
  ...properties,
  ...notify,
  ...power,
  ...powerRequests,
  ...powerSettings,
  ...idle,
];
