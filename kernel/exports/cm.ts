/** Registry routines: the key services (kernel/cm/services.ts) and those of the run-time library. */
import { keyExports } from '../cm/openkey.ts';
import { exports as services } from '../cm/services.ts';
import { cmCallbackExports } from './cmcallback.ts';
import type { NtExport } from './declare.ts';
import { exports as rtlRegistry } from './rtlregistry.ts';

export const exports: NtExport[] = [...services, ...keyExports, ...cmCallbackExports, ...rtlRegistry];
