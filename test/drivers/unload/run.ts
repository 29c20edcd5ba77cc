import type { Machine } from '../../../emulator/index.ts';

export function run(machine: Machine, { name }: { name: string }): void {
  const file = machine.open('\\\\.\\KtestUnload');
  machine.unload(name);
  if (file.ioctl(0x222000, new Uint8Array(0), 0).status !== 0) throw new Error('the driver does not serve an open handle');
  let opened = true;
  try {
    machine.open('\\\\.\\KtestUnload');
  } catch {
    opened = false;
  }
  if (opened) throw new Error('a driver that is to be unloaded was opened');
  file.close();
  machine.runToIdle();
  if (machine.guest.modules().some(m => m.name.startsWith(name))) throw new Error('the driver is still there');
}
