import { describe, expect, it } from 'vitest';
import { machineWith } from './support.ts';

const machine = machineWith('echo');
const run = (line: string): string[] => machine.guest.command(line);
const text = (line: string): string => run(line).join('\n');

describe('debugger commands', () => {
  it('lists the modules, those of the current process too', () => {
    expect(run('lm').map(l => l.split(/\s+/)[2])).toEqual([
      'module',
      'ntoskrnl.exe',
      'hal.dll',
      'echo.sys',
      'ntdll.dll',
      'requester.exe',
    ]);
  });

  it('shows a structure of a running system', () => {
    expect(text('dt nt!_KTHREAD $thread Process PreviousMode')).toMatch(
      /\+0x220 Process\s+: fffff\S+ _KPROCESS\n.*\+0x232 PreviousMode\s+: 0x0/,
    );
    expect(text('dt _LIST_ENTRY')).toBe(
      'nt!_LIST_ENTRY, 0x10 bytes\n   +0x000 Flink : Ptr64 _LIST_ENTRY\n   +0x008 Blink : Ptr64 _LIST_ENTRY',
    );
    expect(run('dt nt!_KTIMER*')).toEqual(['nt!_KTIMER', 'nt!_KTIMER_TABLE', 'nt!_KTIMER_TABLE_ENTRY']);
  });

  it('finds the processes and what their threads wait for', () => {
    expect(text('!process 0 0')).toMatch(/Image: System[\s\S]*Image: /);
    expect(text('!process System 2')).toMatch(
      /THREAD \S+ {2}Cid 0004\.[0-9a-f]{4} {2}WAIT\n\s+wait reason WrQueue, kernel mode\n\s+\S+ {2}SynchronizationEvent/,
    );
  });

  it('walks the stack of a thread that waits', () => {
    const thread = /THREAD (\S+)/.exec(text('!process System 2'))![1]!;
    expect(run(`k ${thread}`).map(l => l.split(' ').pop()!.replace(/\+.*/, ''))).toEqual([
      'nt!ExpWorkerThread',
      'nt!PspSystemThreadStartup',
      'nt!KiStartSystemThread',
    ]);
  });

  it('shows driver, device and device stack', () => {
    expect(text('!drvobj echo')).toMatch(
      /for: \\Driver\\echo[\s\S]*\\Device\\[^\n]*[\s\S]*\[0e\] IRP_MJ_DEVICE_CONTROL\s+\S+ echo!/,
    );
    const name = /\\Device\\\S+/.exec(text('!drvobj echo'))![0];
    expect(text(`!devobj ${name}`)).toContain(`is for: ${name}, driver \\Driver\\echo`);
    expect(run(`!devstack ${name}`)[1]).toMatch(/^> \S+ {2}\\Driver\\echo/);
  });

  it('shows a pending IRP with the driver that has it and its cancel routine', () => {
    expect(run('!irp')).toEqual(['There are no IRPs.']);
    const file = machine.open('\\\\.\\Echo');
    expect(file.read(4).outcome).toBe('pending');
    const line = run('!irp')[0]!;
    expect(line).toMatch(/READ 4 bytes .*\\Driver\\echo/);
    expect(text(`!irp ${line.split(' ')[0]}`)).toMatch(/cancel routine \S+ nt!\S+[\s\S]*>\[IRP_MJ_READ \(0x3\), 0x0\]/);
    file.write(Uint8Array.of(1, 2, 3, 4));
    file.close();
  });

  it('shows objects, handles, pool and page tables', () => {
    expect(text('!object \\')).toMatch(/Directory\s+Device[\s\S]*SymbolicLink {2}DosDevices -> /);
    expect(text('!pte nt!KeSetEvent')).toMatch(/PTE at fffff6.*pfn [0-9a-f]+ {2}G--A--KREV/);
    expect(text('!poolused')).toMatch(/Obje/);
    const driver = /Driver object \((\S+)\)/.exec(text('!drvobj echo'))![1]!;
    expect(text(`!pool ${driver}`)).toMatch(/^Pool page [\s\S]*\n\* +\S+ +size 0x[0-9a-f]+ +Allocated +\S+/);
  });

  it('says what it cannot do', () => {
    expect(() => run('!nonsense')).toThrow(/!nonsense is not a command; there are !analyze, /);
    expect(() => run('dt nt!_NOTHING')).toThrow('there is no structure nt!_NOTHING');
    expect(() => run('!irp nt!KeSetEvent')).toThrow(/is not an IRP/);
    expect(run('da ffffdead00000000')).toEqual(['Memory at ffffdead`00000000 cannot be read.']);
  });

  it('changes nothing', () => {
    const before = machine.stateHash();
    for (const c of [
      'lm',
      '!process 0 6',
      '!irp',
      '!idt -a',
      '!timer',
      '!dpcs',
      '!ready',
      '!devnode',
      '!handle',
      '!object \\Device',
      '!pool',
      '!poolused',
      '!vm',
      '!analyze',
      'x nt!*',
      'k',
    ])
      run(c);
    for (const view of ['threads', 'dpcs', 'irps', 'timers', 'drivers', 'devtree', 'objects', 'idt', 'stack'])
      machine.guest.inspect(view);
    expect(machine.stateHash()).toBe(before);
  });
});
