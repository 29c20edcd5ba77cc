/** Import libraries of the kernel's images as they are declared: `tsx importlib.ts FOLDER` writes ntoskrnl.def and hal.def there, for dlltool. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { allExports } from '../../kernel/exports/index.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: tsx importlib.ts FOLDER');
for (const module of ['ntoskrnl.exe', 'hal.dll'] as const) {
  const names = allExports
    .filter(e => !e.internal && (e.module ?? 'ntoskrnl.exe') === module)
    .map(e => `  "${e.name}"${e.kind === 'data' ? ' DATA' : ''}`);
  writeFileSync(join(folder, module.replace(/\..*/, '.def')), `LIBRARY "${module}"\nEXPORTS\n${names.join('\n')}\n`);
}
