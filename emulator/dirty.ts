/**
 * Which pages changed since when. The core has one dirty flag for a page; a checkpoint and a hash each want to know what changed since the last of
 * their own. So the flags are collected here, into one set for each of them, and cleared.
 */
export class DirtyPages {
  private readonly flags: Uint8Array;
  private readonly words: Uint32Array;
  private readonly clear: () => void;
  private readonly watchers: Uint8Array[] = [];

  /**
   * @param flags the core's page flags for all of RAM; bit 0 is "dirty"
   * @param clear clears bit 0 everywhere (the core also drops the fast write paths that relied on it)
   */
  constructor(flags: Uint8Array, clear: () => void) {
    this.flags = flags;
    this.words = new Uint32Array(flags.buffer, flags.byteOffset, flags.length >> 2);
    this.clear = clear;
  }

  /** A new set; it gets the pages that become dirty from now on, and those that are dirty and were not collected yet. */
  watch(): DirtySet {
    const marks = new Uint8Array(this.flags.length);
    this.watchers.push(marks);
    return {
      take: () => {
        this.collect();
        const pages: number[] = [];
        const words = new Uint32Array(marks.buffer);
        for (let w = 0; w < words.length; w++) {
          if (words[w] === 0) continue;
          for (let page = w * 4; page < w * 4 + 4; page++) if (marks[page] !== 0) pages.push(page);
          words[w] = 0;
        }
        return pages;
      },
      mark: page => {
        marks[page] = 1;
      },
    };
  }

  private collect(): void {
    let any = false;
    const words = this.words;
    for (let w = 0; w < words.length; w++) {
      if ((words[w] & 0x01010101) === 0) continue;
      any = true;
      for (let page = w * 4; page < w * 4 + 4; page++) {
        if ((this.flags[page] & 1) !== 0) for (const marks of this.watchers) marks[page] = 1;
      }
    }
    if (any) this.clear();
  }
}

export interface DirtySet {
  /** The pages that changed since the last call, ascending. */
  take(): number[];
  /** Says that a page changed in a way that its flag does not show (a restore). */
  mark(page: number): void;
}
