import { describe, expect, it } from 'vitest';
import { Machine, OperationError } from '../../emulator/index.ts';
import { machineWith, sample, u32, u32s } from './support.ts';

const STATUS_SUCCESS = 0,
  STATUS_PENDING = 0x103,
  STATUS_CANCELLED = 0xc0000120,
  STATUS_BUFFER_TOO_SMALL = 0xc0000023;
const STATUS_INVALID_BUFFER_SIZE = 0xc0000206,
  STATUS_INVALID_PARAMETER = 0xc000000d,
  STATUS_INVALID_DEVICE_REQUEST = 0xc0000010,
  STATUS_DEVICE_BUSY = 0x80000011;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const names = (machine: Machine): string[] => machine.guest.modules().map(m => m.name);

describe('hello', () => {
  it('gets its registry path, prints, and leaves nothing when it is unloaded', () => {
    const machine = Machine.create();
    const module = machine.load(sample('hello'));
    const base = BigInt.asUintN(64, BigInt(module.base)).toString(16).toUpperCase();
    const [line] = machine.debugLines();
    expect(line).toBe(`hello: loaded at ${base}, registry path \\REGISTRY\\MACHINE\\SYSTEM\\ControlSet001\\Services\\hello`);
    expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll', 'hello.sys']);
    expect(machine.unload('hello').status).toBe(STATUS_SUCCESS);
    expect(machine.debugLines()[1]).toBe('hello: goodbye');
    expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    expect(() => machine.readMemory(module.base, 1)).toThrow();
  });

  it('can be loaded again, and not twice', () => {
    const machine = machineWith('hello');
    expect(() => machine.load(sample('hello'))).toThrow(OperationError);
    machine.unload('hello');
    machine.load(sample('hello'));
    expect(machine.debugLines()).toHaveLength(3);
  });
});

describe('echo', () => {
  it('keeps what is written for the next read', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo');
    expect(echo.write(text('hello, '))).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, information: 7n });
    echo.write(text('world'));
    expect(echo.read(6).data).toEqual(text('hello,'));
    expect(echo.read(100).data).toEqual(text(' world'));
  });

  it('lets reads wait, in order, until writes come', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo'),
      other = machine.open('\\Device\\Echo');
    const first = echo.read(16),
      second = other.read(3);
    expect(first).toMatchObject({ outcome: 'pending', status: STATUS_PENDING });
    expect(machine.guest.idle()).toBe(true);
    echo.write(text('one'));
    expect(machine.result(first.id, true)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, data: text('one') });
    expect(machine.result(second.id).outcome).toBe('pending');
    other.write(text('second'));
    expect(machine.result(second.id, true)).toMatchObject({ outcome: 'done', information: 3n, data: text('sec') });
  });

  it('cancels reads: those of a handle, and those of a handle that is closed', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo'),
      other = machine.open('\\\\.\\Echo');
    const cancelled = echo.read(1),
      left = other.read(1);
    expect(echo.cancel().status).toBe(STATUS_SUCCESS);
    expect(machine.result(cancelled.id, true)).toMatchObject({
      outcome: 'done',
      status: STATUS_CANCELLED,
      data: new Uint8Array(0),
    });
    expect(machine.debugLines()).toContain('echo: a read was cancelled');
    expect(machine.result(left.id).outcome).toBe('pending');
    other.close();
    expect(machine.result(left.id, true).status).toBe(STATUS_CANCELLED);
    echo.close();
    expect(machine.unload('echo').status).toBe(STATUS_SUCCESS);
    expect(machine.debugLines().at(-1)).toBe('echo: unloaded');
  });

  it('transfers by all three methods', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo');
    expect(echo.ioctl(0x222000, text('stressed')).data).toEqual(text('desserts'));
    expect(echo.ioctl(0x222000, text('long'), 3).status).toBe(STATUS_BUFFER_TOO_SMALL);
    // The direct methods lock the second buffer: its pages come in zeroed, and what is put there comes out.
    expect(echo.ioctl(0x222005, text('x'), 5000)).toMatchObject({ status: STATUS_SUCCESS, information: 0n });
    expect(echo.ioctl(0x222006, Uint8Array.of(0xa5), 10_000).data).toEqual(new Uint8Array(10_000).fill(0xa5));
    expect(echo.ioctl(0x222abc).status).toBe(STATUS_INVALID_DEVICE_REQUEST);
    expect(echo.write(new Uint8Array(5000)).status).toBe(STATUS_INVALID_BUFFER_SIZE);
  });

  it('blocks a thread inside its dispatch routine while another is served', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo');
    const blocked = machine.requests.submit({ op: 7, handle: echo.handle, code: 0x222008, outLength: 0 });
    machine.runToIdle(0.1);
    expect(machine.requests.reply(blocked)).toBeNull();
    echo.write(text('meanwhile'));
    expect(echo.read(9).data).toEqual(text('meanwhile'));
    expect(machine.requests.reply(blocked)).toBeNull();
    expect(echo.ioctl(0x22200c).status).toBe(STATUS_SUCCESS);
    expect(machine.result(blocked, true)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS });
  });

  it('is not unloaded under an open handle', () => {
    const machine = machineWith('echo'),
      echo = machine.open('\\\\.\\Echo');
    machine.unload('echo');
    expect(machine.debugLines()).toEqual(['echo: ready']);
    echo.close();
    machine.runToIdle();
    expect(machine.debugLines()).toEqual(['echo: ready', 'echo: unloaded']);
  });
});

describe('ticker', () => {
  it('takes a tick from the timer through DPC, event and thread to a work item', () => {
    const machine = machineWith('ticker'),
      ticker = machine.open('\\\\.\\Ticker');
    machine.runFor(1);
    const [dpcs, wakes, works, irqls] = u32s(ticker.ioctl(0x222000).data);
    // Every 10 ms, of a clock that ticks every 15.625 ms: one for each tick.
    expect(dpcs).toBeGreaterThanOrEqual(63);
    expect(dpcs).toBeLessThanOrEqual(65);
    expect(wakes).toBe(dpcs);
    expect(works).toBe(Math.floor(wakes! / 8));
    // IRQLs of DPC, thread, work item.
    expect(irqls).toBe(0x000002);
    ticker.close();
    expect(machine.unload('ticker').status).toBe(STATUS_SUCCESS);
    expect(
      machine
        .debugLines()
        .slice(1)
        .map(l => l.replace(/\d+/g, 'N')),
    ).toEqual(['ticker: thread ends after N ticks', 'ticker: N DPCs, N wakes, N work items']);
    // Nothing of it goes on.
    const before = machine.instructions;
    machine.runFor(0.5);
    const perTick = (machine.instructions - before) / 32;
    expect(perTick).toBeLessThan(200);
  });
});

describe('edu', () => {
  it('starts with its resources: registers, a vector with its DIRQL, a common buffer below 256 MiB', () => {
    const machine = machineWith('edu');
    const started = /registers at ([0-9A-F]+), vector 0x([0-9a-f]+) at IRQL (\d+), common buffer at 0x([0-9a-f]+)/.exec(
      machine.debugLines()[0]!,
    )!;
    expect(parseInt(started[2]!, 16) >> 4).toBe(Number(started[3]));
    expect(Number(started[3])).toBeGreaterThan(2);
    expect(Number(started[3])).toBeLessThan(13);
    expect(parseInt(started[4]!, 16)).toBeLessThan(1 << 28);
  });

  it('computes factorials as the device does, in 32 bits', () => {
    const machine = machineWith('edu'),
      edu = machine.open('driver:edu');
    for (const [n, factorial] of [
      [0, 1],
      [1, 1],
      [10, 3_628_800],
      [12, 479_001_600],
      [13, 1_932_053_504],
    ] as const) {
      expect(edu.ioctl(0x222000, u32(n))).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, data: u32(factorial) });
    }
    expect(edu.ioctl(0x222000, Uint8Array.of(1)).status).toBe(STATUS_BUFFER_TOO_SMALL);
  });

  it('sends bytes through the device and back by DMA', () => {
    const machine = machineWith('edu'),
      edu = machine.open('\\\\.\\Edu0');
    for (const length of [1, 7, 512, 4095, 4096]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
      expect(edu.ioctl(0x222004, bytes)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, data: bytes });
    }
    expect(edu.ioctl(0x222004, new Uint8Array(4097)).status).toBe(STATUS_INVALID_BUFFER_SIZE);
    expect(edu.ioctl(0x222004).status).toBe(STATUS_INVALID_BUFFER_SIZE);
  });

  it('serves requests that come while it is busy, one after the other', () => {
    const machine = machineWith('edu'),
      edu = machine.open('driver:edu');
    const ids = [3, 4, 5, 6].map(n =>
      machine.requests.submit({ op: 7, handle: edu.handle, code: 0x222000, data: u32(n), outLength: 4 }),
    );
    expect(ids.map(id => u32s(machine.result(id, true).data)[0])).toEqual([6, 24, 120, 720]);
  });

  it('is removed with its device when it is unloaded, and not under an open handle', () => {
    const machine = machineWith('edu'),
      edu = machine.open('driver:edu');
    expect(machine.unload('edu').status).toBe(STATUS_DEVICE_BUSY);
    expect(edu.ioctl(0x222000, u32(5)).data).toEqual(u32(120));
    edu.close();
    expect(machine.unload('edu').status).toBe(STATUS_SUCCESS);
    machine.runToIdle();
    expect(machine.debugLines().slice(1)).toEqual(['edu: removed', 'edu: unloaded']);
    expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    machine.load(sample('edu'));
    expect(machine.open('driver:edu').ioctl(0x222000, u32(4)).data).toEqual(u32(24));
  });
});

describe('all samples together', () => {
  it('work side by side', () => {
    const machine = Machine.create({ limitSeconds: 10 });
    for (const name of ['hello', 'echo', 'ticker', 'edu', 'crash']) machine.load(sample(name));
    const echo = machine.open('\\\\.\\Echo'),
      edu = machine.open('driver:edu'),
      ticker = machine.open('driver:ticker');
    const waiting = echo.read(4);
    expect(edu.ioctl(0x222000, u32(6)).data).toEqual(u32(720));
    machine.runFor(0.2);
    echo.write(text('done'));
    expect(machine.result(waiting.id, true).data).toEqual(text('done'));
    expect(u32s(ticker.ioctl(0x222000).data)[0]).toBeGreaterThan(10);
    for (const file of [echo, edu, ticker]) file.close();
    for (const name of ['crash', 'edu', 'ticker', 'echo', 'hello']) expect(machine.unload(name).status).toBe(STATUS_SUCCESS);
    machine.runToIdle();
    expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll']);
  });
});

describe('sgdma', () => {
  /** Bytes that lie across a page boundary of the requester's buffer, whatever its start. */
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 13 + length) & 0xff);

  it("moves the caller's own pages by DMA, an element of the list at a time", () => {
    const machine = machineWith('sgdma'),
      device = machine.open('\\\\.\\SgDma');
    for (const length of [1, 100, 4095, 4096]) {
      const sent = bytes(length);
      expect(device.write(sent)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, information: BigInt(length) });
      expect(device.read(length)).toMatchObject({ outcome: 'done', status: STATUS_SUCCESS, data: sent });
    }
    expect(machine.debugLines().join('\n')).toMatch(/sgdma: 4096 bytes in \d element/);
    expect(device.write(bytes(4097)).status).toBe(STATUS_INVALID_BUFFER_SIZE);
    expect(device.read(0).status).toBe(STATUS_INVALID_BUFFER_SIZE);
    device.close();
    expect(machine.unload('sgdma').status).toBe(STATUS_SUCCESS);
    expect(machine.debugLines().at(-1)).toBe('sgdma: unloaded');
  });
});

describe('worker', () => {
  const PRIMES = 0x222000,
    HOLD = 0x222004;

  for (const cpus of [1, 4])
    it(`carries requests out in its thread, in order, with ${cpus} processors`, () => {
      const machine = machineWith('worker', { cpus }),
        worker = machine.open('\\\\.\\Worker');
      expect(u32s(worker.ioctl(PRIMES, u32(100), 4).data!)[0]).toBe(25);
      expect(worker.ioctl(PRIMES, u32(100), 3).status).toBe(STATUS_BUFFER_TOO_SMALL);
      expect(worker.ioctl(PRIMES, u32(1_000_000), 4).status).toBe(STATUS_INVALID_PARAMETER);
      worker.ioctl(HOLD, u32(1));
      const waiting = [10, 1000, 5000].map(n => worker.ioctl(PRIMES, u32(n), 4));
      for (const w of waiting) expect(w).toMatchObject({ outcome: 'pending', status: STATUS_PENDING });
      worker.ioctl(HOLD, u32(0));
      expect(waiting.map(w => u32s(machine.result(w.id, true).data!)[0])).toEqual([4, 168, 669]);
      worker.close();
      expect(machine.unload('worker').status).toBe(STATUS_SUCCESS);
      expect(machine.debugLines()).toEqual(['worker: 4 done, 0 cancelled']);
    });

  it('cancels requests that wait, and those of a handle that is closed', () => {
    const machine = machineWith('worker'),
      worker = machine.open('\\\\.\\Worker'),
      other = machine.open('\\\\.\\Worker');
    worker.ioctl(HOLD, u32(1));
    const cancelled = worker.ioctl(PRIMES, u32(10), 4),
      kept = other.ioctl(PRIMES, u32(20), 4);
    expect(worker.cancel().status).toBe(STATUS_SUCCESS);
    expect(machine.result(cancelled.id, true).status).toBe(STATUS_CANCELLED);
    const closed = worker.ioctl(PRIMES, u32(30), 4);
    worker.close();
    expect(machine.result(closed.id, true).status).toBe(STATUS_CANCELLED);
    expect(machine.result(kept.id).outcome).toBe('pending');
    other.ioctl(HOLD, u32(0));
    expect(u32s(machine.result(kept.id, true).data!)[0]).toBe(8);
    other.close();
    expect(machine.unload('worker').status).toBe(STATUS_SUCCESS);
    expect(machine.debugLines()).toEqual(['worker: 1 done, 2 cancelled']);
  });
});

describe('filter', () => {
  it('disguises what is written and restores what is read, and leaves while the device below is open', () => {
    const machine = machineWith('echo');
    machine.load(sample('filter'));
    const echo = machine.open('\\\\.\\Echo');
    echo.write(text('hello, world'));
    expect(echo.read(5).data).toEqual(text('hello'));
    // A read that waits is restored when its write comes.
    echo.read(100);
    const waiting = echo.read(4);
    expect(waiting.outcome).toBe('pending');
    echo.write(text('abcd'));
    expect(machine.result(waiting.id, true).data).toEqual(text('abcd'));
    expect(echo.ioctl(0x222000, Uint8Array.of(1, 2, 3)).data).toEqual(Uint8Array.of(3, 2, 1));
    echo.write(text('Secret'));
    expect(machine.unload('filter').status).toBe(STATUS_SUCCESS);
    expect(names(machine)).not.toContain('filter.sys');
    expect(machine.debugLines().at(-1)).toBe('filter: detached after 9 requests');
    // Without the filter one sees what echo has kept all the time.
    expect(echo.read(6).data).toEqual(text('sECRET'));
    echo.close();
    expect(machine.unload('echo').status).toBe(STATUS_SUCCESS);
  });

  it('is refused where there is no device to attach to', () => {
    const machine = Machine.create();
    expect(() => machine.load(sample('filter'))).toThrow('DriverEntry returned STATUS_OBJECT_NAME_NOT_FOUND');
    expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll']);
  });

  it('leaves only when a request that is inside has come out', () => {
    const machine = machineWith('echo');
    machine.load(sample('filter'));
    const echo = machine.open('\\\\.\\Echo'),
      waiting = echo.read(3);
    expect(waiting.outcome).toBe('pending');
    const unload = machine.perform({ op: 2, name: 'filter' });
    expect(unload.outcome).not.toBe('done');
    expect(names(machine)).toContain('filter.sys');
    echo.write(text('bye'));
    // The writer did not pass the filter any more, the reader does on its way up.
    expect(machine.result(waiting.id, true).data).toEqual(text('BYE'));
    expect(machine.result(unload.id, true).status).toBe(STATUS_SUCCESS);
    expect(names(machine)).not.toContain('filter.sys');
  });
});

describe('stress', () => {
  for (const cpus of [1, 4])
    it(`ends every request once on ${cpus} processors, whoever ends it, and unloads with requests in flight`, () => {
      const machine = machineWith('stress', { cpus, limitSeconds: 60 }),
        file = machine.open('\\\\.\\Stress');
      const [sent, completed, cancelled] = u32s(file.ioctl(0x222000, u32(300), 12).data);
      expect(sent).toBe(300);
      expect(completed! + cancelled!).toBe(300);
      expect(Math.min(completed!, cancelled!)).toBeGreaterThan(100);
      const reads = Array.from({ length: 10 }, () => file.read(1).id);
      file.cancel();
      for (const id of reads) expect([STATUS_SUCCESS, STATUS_CANCELLED]).toContain(machine.result(id, true).status);
      expect(file.ioctl(0x222004, u32(5000)).status).toBe(STATUS_SUCCESS);
      const left = file.read(1);
      file.close();
      expect([STATUS_SUCCESS, STATUS_CANCELLED]).toContain(machine.result(left.id, true).status);
      expect(machine.unload('stress').status).toBe(STATUS_SUCCESS);
      const [run, end] = machine.debugLines().slice(-2);
      const [, n, done, gone] = /^stress: (\d+) sent, (\d+) completed, (\d+) cancelled$/.exec(run!)!.map(Number);
      expect(done! + gone!).toBe(n);
      expect(n).toBeLessThan(5000);
      expect(end).toBe('stress: unloaded');
      expect(names(machine)).toEqual(['ntoskrnl.exe', 'hal.dll']);
    });
});
