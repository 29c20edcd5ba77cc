import { describe, expect, it } from 'vitest';
import { machineWith } from './support.ts';

/** STATUS_INSUFFICIENT_RESOURCES */
const NO_RESOURCES = 0xc000009a;

describe('a request that the guest has no memory for', () => {
  it('is refused, and the next one is served', () => {
    const machine = machineWith('echo');
    const echo = machine.open('\\\\.\\Echo');
    const big = echo.write(new Uint8Array(machine.config.ramBytes));
    expect([big.outcome, big.status]).toEqual(['done', NO_RESOURCES]);
    expect(echo.write(Uint8Array.of(7)).status).toBe(0);
    expect(echo.read(1).data).toEqual(Uint8Array.of(7));
  });

  it('may be a driver of any size', () => {
    const machine = machineWith('echo');
    expect(() => machine.load(new Uint8Array(machine.config.ramBytes), 'vast')).toThrow(
      /load of vast: STATUS_INSUFFICIENT_RESOURCES/,
    );
    expect(machine.runToIdle()).toBe(true);
  });
});
