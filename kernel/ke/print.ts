import { conDebugText } from '../console/screen.ts';
import type { Kernel } from '../kernel.ts';
import { KD_PRINT_BUFFER_SIZE } from './globals.ts';

/** Puts text into the kernel's print ring, oldest bytes first to go, shows it on the console, and tells the host. Text is bytes: what is above U+00FF becomes `?`. */
export function kdPrint(k: Kernel, text: string): void {
  const bytes = Uint8Array.from(text, c => (c.charCodeAt(0) > 0xff ? 0x3f : c.charCodeAt(0)));
  const kept = bytes.length > KD_PRINT_BUFFER_SIZE ? bytes.subarray(bytes.length - KD_PRINT_BUFFER_SIZE) : bytes;
  const written = k.global.get('KdPrintWritten') + BigInt(bytes.length - kept.length);
  const at = Number(written % BigInt(KD_PRINT_BUFFER_SIZE));
  const buffer = k.global.address('KdPrintBuffer');
  const first = Math.min(kept.length, KD_PRINT_BUFFER_SIZE - at);
  k.mem.writeBytes(buffer + at, kept.subarray(0, first));
  k.mem.writeBytes(buffer, kept.subarray(first));
  k.global.set('KdPrintWritten', written + BigInt(kept.length));
  conDebugText(k, text);
  k.trace('debug', 'at', text);
}
