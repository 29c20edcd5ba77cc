import type { KernelImages } from './build.ts';

/** `nt!KeSetEvent+0x10` for an address inside the kernel images' code, or null. */
export function kernelSymbolAt(images: KernelImages, address: number): string | null {
  const list = images.sorted;
  let low = 0,
    high = list.length - 1;
  while (low <= high) {
    const mid = (low + high) >> 1;
    const s = list[mid]!;
    if (address < s.address) high = mid - 1;
    else if (address >= s.address + s.size) low = mid + 1;
    else return address === s.address ? s.name : `${s.name}+0x${(address - s.address).toString(16)}`;
  }
  return null;
}
