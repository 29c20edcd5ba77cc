/** The layers of the project, as ARCHITECTURE.md has them, over the graph of imports. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

interface Layer {
  /** What belongs to it; the first layer that matches a file is the file's. */
  files: RegExp;
  /** Project files that it may import besides its own. */
  may: RegExp;
  /** Packages that it may import (`node:` modules included). */
  packages: RegExp;
}

const NOTHING = /^$/;
/** The core's interface to its host, and the instruction records with what is derived from them (the disassembler is). */
const CORE_ABI = 'assembly/(isa|gen)/';

const LAYERS: { readonly [name: string]: Layer } = {
  'hal/bus': { files: /^hal\/bus\//, may: NOTHING, packages: NOTHING },
  'hal/nt': { files: /^hal\/nt\//, may: /^(hal\/bus\/|kernel\/types\/|kernel\/exports\/declare\.ts)/, packages: NOTHING },
  // Its records are data for Node, its generator runs in Node; the rest is AssemblyScript.
  generator: { files: /^assembly\/gen\//, may: /^assembly\/(isa|core)\//, packages: /^node:/ },
  assembly: { files: /^assembly\//, may: NOTHING, packages: NOTHING },
  devices: { files: /^devices\//, may: /^hal\/bus\//, packages: NOTHING },
  kernel: { files: /^kernel\//, may: /^hal\//, packages: NOTHING },
  'command line': { files: /^emulator\/cli\//, may: /^(emulator|hal\/bus)\//, packages: /^node:/ },
  board: {
    files: /^emulator\/(pc)?board\.ts$/,
    may: /^(emulator|hal\/bus|devices|kernel)\//,
    packages: NOTHING,
  },
  emulator: {
    files: /^emulator\//,
    may: new RegExp(`^(hal/bus/|emulator/(pc)?board\\.ts|${CORE_ABI})`),
    packages: /^node:(fs|path|url)(\/|$)/,
  },
  'web worker': {
    files: /^web\/(worker\b.*|worker\/.*)/,
    may: /^(emulator|hal\/bus|web|build\/core\.wasm|samples)/,
    packages: /^comlink$/,
  },
  // The contracts of hal/bus are types only for a panel; that is checked apart.
  web: { files: /^web\//, may: NOTHING, packages: /^(comlink|preact(\/hooks|\/jsx-runtime)?|@xterm\/.*)$/ },
  scripts: { files: /^scripts\//, may: /^assembly\//, packages: /./ },
  test: { files: /^test\//, may: /./, packages: /./ },
  configuration: { files: /^[^/]+$/, may: /./, packages: /./ },
};

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const files = sources(ROOT);
const imports = files.flatMap(importsOf);

describe('layers', () => {
  it('cover every source file', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(files.filter(file => !layerOf(file))).toEqual([]);
  });

  it('import only what they may', () => {
    expect(imports.filter(i => !isTest(i.from) && !allowed(i)).map(i => `${i.from} imports ${i.to}`)).toEqual([]);
  });

  it('do not import one another in a circle', () => {
    const edges = new Map<string, Set<string>>();
    for (const { from, to } of imports) {
      const [a, b] = [layerOf(from), isPackage(to) ? undefined : layerOf(to)];
      // board.ts is the place where everything meets; tests may look anywhere.
      if (!a || !b || a === b || isTest(from) || [a, b].some(l => ['board', 'test', 'configuration'].includes(l))) continue;
      edges.set(a, (edges.get(a) ?? new Set()).add(b));
    }
    // hal/nt is written with the kernel's structure layouts, which import nothing of hal/nt.
    edges.get('hal/nt')?.delete('kernel');
    expect(circle(edges)).toBeNull();
  });

  it('name concrete devices and the kernel in the boards alone', () => {
    const names = imports
      .filter(i => i.from.startsWith('emulator/') && !isTest(i.from) && /^(devices|kernel)\//.test(i.to))
      .map(i => i.from);
    expect([...new Set(names)].filter(from => !/^emulator\/(pc)?board\.ts$/.test(from))).toEqual([]);
  });

  it('use types of the browser only in web/', () => {
    const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config as {
      compilerOptions: { lib: string[] };
      include: string[];
    };
    expect(config.compilerOptions.lib.filter(lib => /dom|worker/i.test(lib))).toEqual([]);
    expect(config.include.filter(path => path.startsWith('web'))).toEqual([]);
    const asking = files.filter(file => !file.startsWith('web/') && /\/\/\/\s*<reference\s+lib=/.test(read(file)));
    expect(asking).toEqual([]);
  });

  it('read neither the host clock nor its randomness where the guest could notice', () => {
    const guest = files.filter(
      file => /^(hal|devices|kernel|emulator)\//.test(file) && !isTest(file) && !/^emulator\/(cli\/|pacing\.ts)/.test(file),
    );
    const found = guest.filter(file =>
      /\b(Date\.now|Math\.random|performance\.now|new Date\(\))/.test(withoutComments(read(file))),
    );
    expect(found).toEqual([]);
  });
});

describe('files', () => {
  it('stay under 700 lines', () => {
    const long = files.map(file => `${file}: ${read(file).split('\n').length}`).filter(text => Number(text.split(': ')[1]) > 700);
    expect(long).toEqual([]);
  });

  it('of the lock name no registry', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved"|https?:\/\/registry/);
  });
});

function allowed({ from, to, typeOnly }: Import): boolean {
  const name = layerOf(from)!;
  const layer = LAYERS[name]!;
  if (isPackage(to)) return layer.packages.test(to) || (typeOnly && to.startsWith('node:'));
  if (layerOf(to) === name || layer.may.test(to)) return true;
  return name === 'web' && typeOnly && /^(hal\/bus|emulator)\//.test(to);
}

function isTest(file: string): boolean {
  // Beside the tests themselves: what they share (test*.ts, testing/) and what makes their data (testdata/).
  return file.endsWith('.test.ts') || file.startsWith('test/') || /\/(testing\/|testdata\/|test\w*\.ts$)/.test(file);
}

function isPackage(name: string): boolean {
  return !/\.(ts|tsx|css|json|sys|wasm)$/.test(name.split('?')[0]!) || name.startsWith('node:') || name.startsWith('@');
}

function layerOf(file: string): string | undefined {
  return Object.keys(LAYERS).find(name => LAYERS[name]!.files.test(file));
}

function sources(folder: string): string[] {
  const skip = new Set(['node_modules', 'dist', 'build', 'generated', '.git', 'samples']);
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skip.has(entry.name) ? [] : sources(path);
    if (!/\.tsx?$/.test(entry.name)) return [];
    return [relative(ROOT, path).split(sep).join('/')];
  });
}

function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (to: string, typeOnly: boolean) => found.push({ from: file, to: resolved(file, to), typeOnly });
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.importClause?.isTypeOnly ?? false);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      add(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [target] = node.arguments;
      if (target && ts.isStringLiteral(target)) add(target.text, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** AssemblyScript imports without extensions. */
function resolved(from: string, to: string): string {
  if (!to.startsWith('.')) return to;
  const path = posix.join(dirname(from).split(sep).join('/'), to);
  return /\.\w+(\?\w+)?$/.test(path) ? path : `${path}.ts`;
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}

function circle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | null {
  const walk = (path: string[]): string[] | null => {
    for (const next of edges.get(path.at(-1)!) ?? []) {
      if (path.includes(next)) return [...path, next];
      const found = walk([...path, next]);
      if (found) return found;
    }
    return null;
  };
  for (const start of edges.keys()) {
    const found = walk([start]);
    if (found) return found;
  }
  return null;
}
