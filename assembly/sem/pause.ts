import { RIP } from '../core/layout';
import { OP_NEXT } from '../core/op';
import { endTurn } from '../core/turns';

/** PAUSE: who spins waits for another processor, which gets the turn. */
export function pause(cpu: usize, ip: usize): void {
  store<u64>(cpu, load<u64>(ip, OP_NEXT), RIP);
  endTurn();
}
