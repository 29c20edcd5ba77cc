/** Plug and Play manager: each routine lives with its subject in kernel/pnp/. */
import type { NtExport } from './declare.ts';
import { exports as devices } from '../pnp/device.ts';
import { exports as notify } from '../pnp/notify.ts';
import { exports as pdos } from '../pnp/pdo.ts';
import { exports as power } from '../po/power.ts';
import { exports as properties } from '../pnp/property.ts';
import { exports as send } from '../pnp/send.ts';

export const exports: NtExport[] = [...send, ...pdos, ...devices, ...properties, ...notify, ...power];
