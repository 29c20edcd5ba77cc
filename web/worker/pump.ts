/**
 * Calls a function again and again without holding the thread: between two calls messages (a key, "pause", a question of a panel) get their turn.
 * A delay of 0 goes through a MessageChannel, which browsers do not slow down as they do timers.
 */
export class Pump {
  private readonly channel = new MessageChannel();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private posted = false;
  private readonly work: () => number | null;

  /** @param work returns milliseconds until it wants to be called again, or null to stop */
  constructor(work: () => number | null) {
    this.work = work;
    this.channel.port1.onmessage = () => {
      this.posted = false;
      this.turn();
    };
  }

  /** Makes the next call come at once; starts a stopped pump. */
  wake(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.posted) return;
    this.posted = true;
    this.channel.port2.postMessage(0);
  }

  /** Resolves when the messages that are waiting have had their turn. */
  breathe(): Promise<void> {
    return new Promise(resolve => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(0);
    });
  }

  private turn(): void {
    const delay = this.work();
    if (delay === null || this.posted) return;
    if (delay <= 0) this.wake();
    else {
      if (this.timer !== null) clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.timer = null;
        this.turn();
      }, delay);
    }
  }
}
