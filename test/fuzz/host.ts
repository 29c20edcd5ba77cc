// The host's processor as a judge: builds host.c and hands it batches of cases through a file that both have in memory.

import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('host.c', import.meta.url));

/** Why this machine cannot be the judge, or null when it can. */
export function hostProblem(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Linux on an x86-64 processor is needed';
  if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is needed';
  const missing = ['fsgsbase', 'avx', 'xsave'].filter(f => !cpuFeatures().has(f));
  return missing.length > 0 ? `the processor has no ${missing.join(', ')}` : null;
}

let features: Set<string> | undefined;

/** Feature names of /proc/cpuinfo. */
export function cpuFeatures(): ReadonlySet<string> {
  features ??= new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]!.trim().split(/\s+/));
  return features;
}

let name: { vendor: string; model: string } | undefined;

/** Vendor and model of the host's processor. */
export function cpuName(): { vendor: string; model: string } {
  if (name) return name;
  const text = readFileSync('/proc/cpuinfo', 'utf8');
  return (name = {
    vendor: /^vendor_id\s*:\s*(.*)$/m.exec(text)?.[1] ?? '?',
    model: /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? '?',
  });
}

/** The program that runs cases, as a child process. `start` a batch, do something else, then `finish` it. */
export class Host {
  private readonly folder: string;
  private readonly child: ChildProcess;
  private readonly resultBytes: number;
  private readonly cases: number;
  private readonly results: number;
  private readonly commands: number;
  private readonly answers: number;
  private readonly word = Buffer.alloc(4);

  /** `caseBytes` and `resultBytes`: the most that a batch and its results take. */
  constructor(caseBytes: number, resultBytes: number) {
    this.resultBytes = resultBytes;
    this.folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kmode-fuzz-'));
    const file = (name: string) => join(this.folder, name);
    execFileSync('gcc', ['-O2', '-fno-stack-protector', '-o', file('host'), SOURCE]);
    execFileSync('mkfifo', [file('commands'), file('answers')]);
    this.cases = openSync(file('cases'), 'w+');
    this.results = openSync(file('results'), 'w+');
    ftruncateSync(this.cases, caseBytes);
    ftruncateSync(this.results, resultBytes);
    this.child = spawn(file('host'), ['cases', 'results', 'commands', 'answers'].map(file), {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    // Each waits for the other side; when that dies, reading ends.
    this.commands = openSync(file('commands'), 'w');
    this.answers = openSync(file('answers'), 'r');
  }

  /** Hands over `count` cases in the first `bytes` bytes of `batch`. */
  start(batch: Uint8Array, bytes: number, count: number): void {
    writeSync(this.cases, batch, 0, bytes, 0);
    this.word.writeUInt32LE(count);
    writeSync(this.commands, this.word);
  }

  /** Waits for the batch's end and reads its results into `results`; gives their length in bytes. */
  finish(results: Uint8Array): number {
    if (readSync(this.answers, this.word) !== 4) throw new Error('the program that runs cases on the host has died');
    const bytes = this.word.readUInt32LE();
    if (bytes > this.resultBytes) throw new Error(`results of ${bytes} bytes`);
    return readSync(this.results, results, 0, bytes, 0);
  }

  close(): void {
    this.child.kill();
    for (const fd of [this.cases, this.results, this.commands, this.answers]) closeSync(fd);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
