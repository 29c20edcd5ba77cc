import { describe, expect, it } from 'vitest';
import { createBoard } from './board.ts';
import { completeConfig } from './config.ts';
import { bareMachine, hex } from './testing/longmode.ts';
import type { Machine } from './machine.ts';

/** The standard board's devices without its operating system, under a guest that keeps reading and writing them. */
function boardMachine(): Machine {
  const { devices } = createBoard(completeConfig());
  // Programs COM1 (8 bits, interrupts on) and sends a byte, starts the PIT's channel 0, then reads the RTC and the PIT for ever:
  //   mov edx,3FBh ; mov al,83h ; out dx,al ; mov edx,3F8h ; mov al,1 ; out dx,al ; mov edx,3FBh ; mov al,3 ; out dx,al ; mov edx,3F8h ; mov al,'k' ; out dx,al
  //   mov al,34h ; out 43h,al ; mov al,0A9h ; out 40h,al ; mov al,4 ; out 40h,al
  // L: xor eax,eax ; out 70h,al ; in al,71h ; add ebx,eax ; in al,40h ; add ebx,eax ; jmp L
  return bareMachine({
    code: hex(
      'bafb030000 b083 ee baf8030000 b001 ee bafb030000 b003 ee baf8030000 b06b ee b034 e643 b0a9 e640 b004 e640 31c0 e670 e471 01c3 e440 01c3 ebf2',
    ),
    devices,
  });
}

describe('the standard board', () => {
  it('has the devices that it says, and nothing overlaps', () => {
    const { devices } = createBoard(completeConfig());
    expect(devices.map(d => d.id)).toEqual([
      'uart0',
      'i8042',
      'pit',
      'rtc',
      'pci0',
      'edu0',
      'requestport',
      'pagestore',
      'acpipm',
      'sysctl',
    ]);
  });

  it('comes back to the same state from a checkpoint, devices and all', () => {
    const machine = boardMachine();
    machine.run(50_000);
    machine.input('i8042', 'keyname', new TextEncoder().encode('KeyA Enter'));
    machine.input('uart0', 'rx', new TextEncoder().encode('hello'));
    machine.run(123_456);
    const checkpoint = machine.checkpoint(),
      hash = machine.stateHash();
    expect(machine.output.since().map(r => `${r.device} ${String.fromCharCode(...r.data)}`)).toContain('uart0 k');
    machine.run(3_000_000);
    const end = machine.stateHash();
    expect(end).not.toBe(hash);
    machine.restore(checkpoint);
    expect(machine.stateHash()).toBe(hash);
    machine.run(3_000_000);
    expect(machine.stateHash()).toBe(end);

    const sliced = boardMachine();
    sliced.inputs.load(machine.inputs.records, 0);
    for (let at = 997; at < 3_000_000; at += 9_970) sliced.run(at);
    sliced.run(3_000_000);
    expect(sliced.stateHash()).toBe(end);
  });
});
