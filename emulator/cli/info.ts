import { basename } from 'node:path';
import { describeImage } from '../board.ts';
import { readInput } from './input.ts';

/** `kmode info`: what is in an image, and how much of what it imports exists here. */
export function infoReport(file: string): ReturnType<typeof describeImage> {
  return describeImage(basename(file), readInput(file, 'a driver'));
}
