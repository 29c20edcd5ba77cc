import { STATUS_INVALID_IMAGE_FORMAT } from '../types/status.ts';

/** The file is not an image that can be loaded. The message names the file, the offset and what was expected there. */
export class ImageError extends Error {
  /** `crash.sys` */
  readonly file: string;
  /** Offset in the file. */
  readonly offset: number;
  readonly expected: string;
  /** What the loader returns to the guest. */
  readonly status: number;
  constructor(file: string, offset: number, found: string, expected: string, status: number = STATUS_INVALID_IMAGE_FORMAT) {
    super(`${file}: at offset 0x${offset.toString(16)}: ${found}; expected ${expected}`);
    this.name = 'ImageError';
    this.file = file;
    this.offset = offset;
    this.expected = expected;
    this.status = status;
  }
}
