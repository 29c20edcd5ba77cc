/** Brings the reference monitor up: the system's token, the descriptors that the kernel gives to what it makes itself. Runs after the namespace. */
import type { Kernel } from '../kernel.ts';
import { directoryEntries, isDirectory } from '../ob/directory.ts';
import { obShareSecurity } from '../ob/security.ts';
import { obFind } from '../ob/attributes.ts';
import { logDescriptor } from './descriptor.ts';
import { sddl } from './sddl.ts';
import { setPrimaryToken } from './subject.ts';
import { createToken, SYSTEM_TOKEN } from './token.ts';

/** Locally unique ids up to here have a meaning of their own. */
const FIRST_LUID = 1001n;

/** Named devices without a descriptor of their own: everybody may open them ("Securing Device Objects", WDK). */
const PUBLIC_UNRESTRICTED = 'O:BAG:SYD:(A;;GRGWGX;;;WD)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGWGX;;;RC)';
/** Directories of the namespace and types: everybody may look, the system may change. */
const SYSTEM_DEFAULT = 'O:BAG:SYD:(A;;GRGX;;;WD)(A;;GA;;;SY)(A;;GA;;;BA)(A;;GRGX;;;RC)';
/** `\BaseNamedObjects`: everybody may make objects there. */
const BASE_NAMED_OBJECTS = 'O:BAG:SYD:(A;;0x2000f;;;WD)(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x2000f;;;RC)';

function keep(k: Kernel, text: string): number {
  const sd = logDescriptor(k, sddl(text));
  if (!sd) throw new Error('no pool for the default security descriptors');
  return sd;
}

function secureTree(k: Kernel, directory: number, sd: number): void {
  obShareSecurity(k, directory, sd);
  for (const object of directoryEntries(k, directory)) {
    if (isDirectory(k, object)) secureTree(k, object, sd);
    else obShareSecurity(k, object, sd);
  }
}

/** Phase 0. `system` is the EPROCESS of the system process. */
export function seInit(k: Kernel, system: number): void {
  k.global.set('ExpLuid', FIRST_LUID);
  k.global.set('SePublicDefaultUnrestrictedSd', keep(k, PUBLIC_UNRESTRICTED));
  k.global.set('SeSystemDefaultSd', keep(k, SYSTEM_DEFAULT));
  const token = createToken(k, SYSTEM_TOKEN);
  if (!token) throw new Error('no pool for the token of the system');
  setPrimaryToken(k, system, token);
  const named = obFind(k, '\\BaseNamedObjects', 0).object;
  if (named) obShareSecurity(k, named, keep(k, BASE_NAMED_OBJECTS));
  secureTree(k, k.global.get('ObpRootDirectoryObject'), k.global.get('SeSystemDefaultSd'));
}
