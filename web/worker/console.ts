import type { OutputLog } from '../../emulator/outputlog.ts';

/** What the terminal is told: bytes to append, or, with `anew`, all there is to show. */
export type ConsoleSink = (bytes: Uint8Array, anew: boolean) => void;

/**
 * Keeps the terminal equal to what the machine has sent on the way to its present state: text appears while it runs, and going back in time takes back what
 * came later.
 */
export class ConsoleMirror {
  private readonly output: OutputLog;
  private readonly device: string;
  private readonly channel: string;
  private sink: ConsoleSink | null = null;
  private shown: Uint8Array[] = [];

  constructor(output: OutputLog, device: string, channel: string) {
    this.output = output;
    this.device = device;
    this.channel = channel;
  }

  /** From now on `sink` is the terminal; it is given what there is already. */
  attach(sink: ConsoleSink): void {
    this.sink = sink;
    this.shown = [];
    this.sync();
  }

  /** The machine has sent something for the first time (not in a replay). */
  sent(device: string, channel: string, data: Uint8Array): void {
    if (device !== this.device || channel !== this.channel) return;
    this.shown.push(data);
    this.sink?.(data, false);
  }

  /** After a jump in time, or a replay, in which nothing is announced: shows what the present state's past has sent, no less and no more. */
  sync(): void {
    const all = this.output
      .since()
      .filter(r => r.device === this.device && r.channel === this.channel)
      .map(r => r.data);
    const have = join(this.shown),
      want = join(all);
    this.shown = [want];
    if (startsWith(want, have)) {
      if (want.length > have.length) this.sink?.(want.slice(have.length), false);
    } else this.sink?.(want, true);
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function startsWith(all: Uint8Array, start: Uint8Array): boolean {
  return start.length <= all.length && start.every((byte, i) => all[i] === byte);
}
