/**
 * Guest memory as the layers above the processor see it. Physical addresses are unsigned numbers; virtual addresses are numbers
 * sign-extended from 48 bits (a kernel address is negative), which a double holds exactly.
 */

/** RAM by physical address, for bus masters and for whoever builds the memory image. Out of range throws a RangeError: our bug or the caller's. */
export interface PhysicalMemory {
  /** Bytes of RAM; RAM starts at physical address 0. */
  readonly size: number;
  read8(pa: number): number;
  read16(pa: number): number;
  read32(pa: number): number;
  read64(pa: number): bigint;
  write8(pa: number, value: number): void;
  write16(pa: number, value: number): void;
  write32(pa: number, value: number): void;
  write64(pa: number, value: bigint): void;
  /** A copy of the bytes. */
  readBytes(pa: number, length: number): Uint8Array;
  writeBytes(pa: number, bytes: Uint8Array): void;
  fill(pa: number, length: number, value: number): void;
}

/**
 * Memory through a processor's current page tables, at CPL 0. An access that would fault throws a {@link GuestFault} before anything
 * is written; the gate dispatcher turns that into the exception, with RIP at the gate.
 */
export interface VirtualMemory {
  read8(va: number): number;
  read16(va: number): number;
  /** Unsigned. */
  read32(va: number): number;
  readI32(va: number): number;
  read64(va: number): bigint;
  /** A pointer-sized value as an address: sign-extended from 48 bits; throws GuestFault (#GP) if it is not canonical. */
  readPtr(va: number): number;
  write8(va: number, value: number): void;
  write16(va: number, value: number): void;
  write32(va: number, value: number): void;
  write64(va: number, value: bigint): void;
  writePtr(va: number, value: number): void;
  /** A copy of the bytes. */
  readBytes(va: number, length: number): Uint8Array;
  writeBytes(va: number, bytes: Uint8Array): void;
  fill(va: number, length: number, value: number): void;
  /** memmove within guest memory. */
  copy(to: number, from: number, length: number): void;
  /** Throws GuestFault unless every byte can be read (or written). A routine calls it before its first write. */
  probe(va: number, length: number, write: boolean): void;
  /** Physical address, or -1 when nothing is mapped there. Never faults. */
  translate(va: number): number;
  /**
   * Asked before an access faults on a page that is not there or may not be written: true says that it has been repaired (a page that is made when it is first
   * touched), and the access is tried once more. Null: every such access faults.
   */
  onFault: ((va: number, write: boolean) => boolean) | null;
  /** Asked when an access reaches a supervisor-mode page with a protection key other than 0: true refuses it, as if the page were not there. */
  refuses: ((va: number, key: number) => boolean) | null;
}

/** An access that the guest's page tables or the canonical rule refuse. It becomes an exception in the guest, never an error of ours. */
export class GuestFault extends Error {
  readonly vector: number;
  readonly errorCode: number;
  readonly address: number;
  constructor(vector: number, errorCode: number, address: number) {
    super(`guest fault, vector ${vector}, error code ${errorCode}, at ${formatAddress(address)}`);
    this.name = 'GuestFault';
    this.vector = vector;
    this.errorCode = errorCode;
    this.address = address;
  }
}

/** `FFFFF800'00001000`-style: 16 hex digits with WinDbg's back-tick in the middle. */
export function formatAddress(va: number): string {
  const hex = addressToBigInt(va).toString(16).padStart(16, '0');
  return `${hex.slice(0, 8)}\`${hex.slice(8)}`;
}

const TWO_32 = 0x1_0000_0000;
/** Multiplying by this is exact, and quicker than a division. */
const PER_TWO_32 = 1 / TWO_32;

/** Bits 32 to 63 of an address, or of a count below 2^53, as an unsigned number; `>>> 0` gives the bits below. */
export function highHalf(value: number): number {
  return Math.floor(value * PER_TWO_32) >>> 0;
}

/** The address with these halves, either of which may be given signed or unsigned. Whether it is canonical is not looked at: one that is not loses low bits. */
export function addressOfHalves(low: number, high: number): number {
  return (high | 0) * TWO_32 + (low >>> 0);
}

/** The address stored at `va`, unchecked as {@link addressOfHalves} has it, where `readPtr` would fault. */
export function addressAt(mem: VirtualMemory, va: number): number {
  return addressOfHalves(mem.read32(va), mem.read32(va + 4));
}

/** The unsigned 64-bit value of an address. */
export function addressToBigInt(va: number): bigint {
  return BigInt.asUintN(64, BigInt(va));
}

/** The address that a 64-bit value holds; a non-canonical value throws a RangeError. */
export function bigIntToAddress(value: bigint): number {
  const signed = BigInt.asIntN(64, value);
  if (BigInt.asIntN(48, signed) !== signed)
    throw new RangeError(`0x${BigInt.asUintN(64, value).toString(16)} is not a canonical address`);
  return Number(signed);
}
