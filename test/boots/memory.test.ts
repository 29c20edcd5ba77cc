import { describe, expect, it } from 'vitest';
import { OperationError } from '../../emulator/index.ts';
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
    let refusal: unknown = null;
    try {
      machine.load(new Uint8Array(machine.config.ramBytes), 'vast');
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(OperationError);
    expect(refusal).toMatchObject({ status: NO_RESOURCES, outcome: 'done', bugCheck: null });
    expect((refusal as OperationError).message).toMatch(
      /load of vast: its \d+ bytes do not fit into the machine, which has 64 MiB of RAM/,
    );
    expect(machine.runToIdle()).toBe(true);
  });
});
