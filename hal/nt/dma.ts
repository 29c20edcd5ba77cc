/**
 * What a bus master can reach, as plain arithmetic. A device drives so many address lines; memory above them has to be copied to and from a buffer below ("bounced"), and so has a
 * transfer in several pieces when the device cannot gather them. NT calls the pages of that buffer map registers.
 */

export const DMA_PAGE = 0x1000;

/** A physically contiguous piece of a transfer. */
export interface Piece {
  pa: number;
  length: number;
}

/** Highest address that a device with these abilities reaches (DEVICE_DESCRIPTION). `width` is DmaAddressWidth, 0 when it was not given. */
export function addressLimit(d: { width: number; dma32: boolean; dma64: boolean }): number {
  if (d.width) return Math.min(2 ** d.width, 2 ** 52) - 1;
  if (d.dma64) return 2 ** 52 - 1;
  // A device that says nothing drives the 24 address lines of ISA.
  return d.dma32 ? 0xffffffff : 0xffffff;
}

/** Joins pieces that follow each other. */
export function joinPieces(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const p of pieces) {
    const last = out[out.length - 1];
    if (last && last.pa + last.length === p.pa) last.length += p.length;
    else out.push({ ...p });
  }
  return out;
}

/** Must this transfer be bounced? */
export const needsBounce = (pieces: readonly Piece[], limit: number, scatterGather: boolean): boolean =>
  pieces.some(p => p.pa + p.length - 1 > limit) || (!scatterGather && pieces.length > 1);

/** Map registers for a transfer of at most `length` bytes: the pages that it can touch. */
export const mapRegistersFor = (length: number): number => Math.ceil(length / DMA_PAGE) + 1;
