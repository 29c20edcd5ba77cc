import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generate } from '../assembly/gen/generate.ts';
import { allForms } from '../assembly/isa/index.ts';

// Builds the processor core: records -> generated sources -> build/core.wasm.
//
//   tsx scripts/build-core.ts [--out DIR] [--debug] [--force]
//
// Does nothing when core.wasm was made from the same sources (core.key says which).
//
// --out DIR   leaves core.wasm (and the generated sources, in DIR/generated) there instead of build/ and assembly/generated/
// --debug     keeps function names
// --force     builds in any case

/** What is used of the compiler. Its own declarations are kept out: they declare a global `console` in the place of Node's. */
interface Compiler {
  main(options: string[]): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}
const COMPILER: string = 'assemblyscript/asc';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const outAt = args.indexOf('--out');
const out = outAt < 0 ? undefined : resolve(args[outAt + 1] ?? '');
if (outAt >= 0 && !args[outAt + 1]) throw new Error('--out needs a directory');

const source = join(root, 'assembly'),
  target = out ?? join(root, 'build');
mkdirSync(target, { recursive: true });

/** All that the result depends on, as one hash. */
function sourceKey(): string {
  const hash = createHash('sha256');
  for (const folder of ['core', 'gen', 'isa', 'sem']) {
    for (const name of readdirSync(join(source, folder))
      .filter(n => n.endsWith('.ts') && !n.endsWith('.test.ts'))
      .sort())
      hash
        .update(`${folder}/${name}\0`)
        .update(readFileSync(join(source, folder, name)))
        .update('\0');
  }
  const compiler = readFileSync(join(root, 'node_modules/assemblyscript/package.json'));
  return hash
    .update(compiler)
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .update(readFileSync(join(root, 'scripts/optimize-core.ts')))
    .update(args.filter(a => a === '--debug').join())
    .digest('hex');
}

const keyFile = join(target, 'core.key'),
  key = sourceKey(),
  wasm = join(target, 'core.wasm');
const generatedThere = existsSync(join(out ? join(out, 'generated') : join(source, 'generated'), 'execute.ts'));
if (
  !args.includes('--force') &&
  generatedThere &&
  existsSync(wasm) &&
  existsSync(keyFile) &&
  readFileSync(keyFile, 'utf8') === key
) {
  process.stdout.write('core.wasm is up to date\n');
} else await build();

async function build(): Promise<void> {
  // The compiler runs on a tree of its own, so that builds at the same time do not see each other's halves.
  const work = mkdtempSync(join(target, '.core-'));
  try {
    for (const folder of ['core', 'sem']) symlinkSync(join(source, folder), join(work, folder));
    // Loaded only now: the compiler takes seconds to start.
    const { default: asc } = (await import(COMPILER)) as { default: Compiler },
      { optimizeCore } = await import('./optimize-core.ts');
    const counts = generate(allForms, source, join(work, 'generated'));
    const cut = (name: string) => join(work, name);
    const begin = performance.now();
    const { error, stderr } = await asc.main([
      cut('core/index.ts'),
      '--baseDir',
      '/',
      '--outFile',
      cut('core.wasm'),
      ...(args.includes('--debug') ? ['--debug'] : []),
      '-O0',
      '--runtime',
      'stub',
      '--noAssert',
      '--importMemory',
      '--exportTable',
      '--enable',
      'simd',
      '--use',
      'abort=',
    ]);
    if (error) {
      process.stderr.write(stderr.toString());
      throw error;
    }
    writeFileSync(cut('core.wasm'), optimizeCore(readFileSync(cut('core.wasm')), args.includes('--debug')));
    const generated = out ? join(out, 'generated') : join(source, 'generated');
    mkdirSync(generated, { recursive: true });
    const put = (from: string, to: string): void => {
      const temporary = `${to}.${process.pid}`;
      copyFileSync(from, temporary);
      renameSync(temporary, to);
    };
    for (const name of readdirSync(cut('generated'))) put(cut(`generated/${name}`), join(generated, name));
    put(cut('core.wasm'), wasm);
    writeFileSync(keyFile, key);
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    process.stdout.write(
      `core.wasm: ${counts.forms} forms, ${counts.hotCases} cases, ${counts.functions} functions, ${statSync(join(target, 'core.wasm')).size} bytes, compiled in ${seconds} s\n`,
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
