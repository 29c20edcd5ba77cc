import { describe, expect, it } from 'vitest';
import { kmode, machineWith, sample } from './support.ts';

const FACTORIAL = 0x222000;
const STATUS_SUCCESS = 0;

describe('the requester in user mode', () => {
  it('is a program that waits in a system service', () => {
    const machine = machineWith('edu');
    const text = machine.command('!process 0 7').join('\n');
    expect(text).toMatch(/Image: requester\.exe/);
    expect(text).toMatch(/nt!NtTakeRequest\+0x1a\n.*nt!KiSystemCall64\+0x[0-9a-f]+\n.*ntdll!NtTakeRequest\+0xa/);
  });

  it('ends with its process, and another one takes its place; nothing is left behind', () => {
    const machine = machineWith('edu');
    const first = machine.open('driver:edu');
    expect(first.ioctl(FACTORIAL, Uint8Array.of(5, 0, 0, 0), 4).status).toBe(STATUS_SUCCESS);
    const pages: string[] = [];
    for (let i = 0; i < 4; i++) {
      expect(machine.exitRequester(7).status).toBe(STATUS_SUCCESS);
      machine.runToIdle();
      expect(machine.open('driver:edu').close().status).toBe(STATUS_SUCCESS);
      machine.runToIdle();
      pages.push(machine.command('!vm').join(' '));
    }
    // Every page and pool block of the processes that are gone came back.
    expect(pages[3]).toBe(pages[1]);
    // The first one's handles went with it.
    expect(first.ioctl(FACTORIAL, Uint8Array.of(5, 0, 0, 0), 4).status).not.toBe(STATUS_SUCCESS);
  });

  it('can be the kernel instead', () => {
    const run = kmode('run', sample('edu'), '--requester', 'kernel', '--ioctl', '0x222000:0a000000');
    expect(run.stdout).toContain('005f3700');
  });
});
