import { ImageError } from './error.ts';

/** Little-endian reads of a file's bytes. A read beyond the end says that the file is truncated. */
export class Reader {
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly file: string;
  private readonly view: DataView;
  constructor(bytes: Uint8Array, file: string) {
    this.bytes = bytes;
    this.file = file;
    this.size = bytes.length;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  fail(offset: number, found: string, expected: string, status?: number): never {
    throw new ImageError(this.file, offset, found, expected, status);
  }
  need(offset: number, length: number, what: string): void {
    if (offset + length > this.size)
      this.fail(
        Math.min(offset, this.size),
        `the file ends after 0x${this.size.toString(16)} bytes`,
        `${what}, 0x${length.toString(16)} bytes from offset 0x${offset.toString(16)}: the file is truncated`,
      );
  }
  u8(offset: number): number {
    this.need(offset, 1, 'a byte');
    return this.view.getUint8(offset);
  }
  u16(offset: number): number {
    this.need(offset, 2, 'a 16-bit value');
    return this.view.getUint16(offset, true);
  }
  u32(offset: number): number {
    this.need(offset, 4, 'a 32-bit value');
    return this.view.getUint32(offset, true);
  }
  u64(offset: number): bigint {
    this.need(offset, 8, 'a 64-bit value');
    return this.view.getBigUint64(offset, true);
  }
  /** Bytes as Latin-1 text, up to a zero. */
  text(offset: number, limit: number): string {
    let s = '';
    for (let i = 0; i < limit && offset + i < this.size; i++) {
      const c = this.bytes[offset + i]!;
      if (c === 0) break;
      s += String.fromCharCode(c);
    }
    return s;
  }
}
