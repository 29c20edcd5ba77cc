// Runs one vector on a VectorMachine and says what differs from the real processor.

import type { Vector } from './format.ts';
import { CODE, DATA, STACK, loadState, saveState, stepOne, type VectorMachine } from './machine.ts';
import { AT, getHex, placeOf, putHex, putRegisters, REPORTED, STATE_SIZE, stateBefore } from './state.ts';

const before = new Uint8Array(STATE_SIZE);
const wanted = new Uint8Array(STATE_SIZE);
const got = new Uint8Array(STATE_SIZE);
const ignored = new Uint8Array(STATE_SIZE);
const wantedData = new Uint8Array(DATA.size);
const wantedStack = new Uint8Array(STACK.size);
const MAX_REPORTED_BYTES = 16;

/** Runs `vector` and returns its differences, none when the core did what the real processor did. */
export function checkVector(machine: VectorMachine, vector: Vector): string[] {
  stateBefore(before, vector.b, vector.k === 'mmx');
  setMemory(machine, vector);
  loadState(machine, before, vector.d ?? 64);
  const outcome = stepOne(machine);
  saveState(machine, got, outcome.exception);
  const differences: string[] = [];
  if (outcome.odd !== null) differences.push(outcome.odd);
  const exception = vector.f?.v ?? -1;
  if (outcome.exception !== exception) differences.push(`exception ${nameOf(outcome.exception)}, expected ${nameOf(exception)}`);
  else if (vector.f?.a !== undefined && BigInt('0x' + outcome.cr2) !== BigInt('0x' + vector.f.a))
    differences.push(`cr2 ${outcome.cr2}, expected ${vector.f.a}`);
  compareRegisters(vector, differences);
  compareMemory(machine, vector, differences);
  return differences;
}

function nameOf(exception: number): string {
  return exception < 0 ? 'none' : String(exception);
}

function setMemory(machine: VectorMachine, vector: Vector): void {
  const { u8, ram, core } = machine;
  wantedData.fill(0);
  wantedStack.fill(0);
  putMemory(vector.m);
  u8.set(wantedData, ram + DATA.physical);
  u8.set(wantedStack, ram + STACK.physical);
  const rip = before[AT.rip]! | (before[AT.rip + 1]! << 8) | (before[AT.rip + 2]! << 16) | (before[AT.rip + 3]! << 24);
  const start = (rip >>> 0) - (vector.d === 16 ? 0 : CODE.linear);
  const code = Buffer.from(vector.c, 'hex').subarray(0, CODE.size - start);
  u8.fill(0, ram + CODE.physical, ram + CODE.physical + CODE.size);
  u8.set(code, ram + CODE.physical + start);
  core.exports.hostWrote(CODE.physical, CODE.size);
  core.exports.hostWrote(DATA.physical, DATA.size);
  core.exports.hostWrote(STACK.physical, STACK.size);
  putMemory(vector.w);
}

/** Writes listed bytes into the expected images. */
function putMemory(list: Vector['m']): void {
  for (const [address, digits] of list) {
    const start = parseInt(address, 16);
    for (let i = 0; i < digits.length >>> 1; i++) {
      const [image, offset] = imageAt(start + i);
      image[offset] = parseInt(digits.slice(i * 2, i * 2 + 2), 16);
    }
  }
}

function inRegions(address: number): boolean {
  return [DATA, STACK].some(region => address >= region.linear && address < region.linear + region.size);
}

function imageAt(address: number): [Uint8Array, number] {
  for (const [region, image] of [
    [DATA, wantedData],
    [STACK, wantedStack],
  ] as const) {
    if (address >= region.linear && address < region.linear + region.size) return [image, address - region.linear];
  }
  throw new Error(`memory address ${address.toString(16)} is in neither DATA nor STACK`);
}

function compareRegisters(vector: Vector, differences: string[]): void {
  wanted.set(before);
  putRegisters(wanted, vector.a);
  ignored.fill(0);
  if (vector.u !== undefined) putHex(ignored, placeOf('rflags'), vector.u);
  for (const entry of vector.x ?? []) {
    if (entry.startsWith('mem:')) continue;
    const [name, mask] = entry.split(':') as [string, string?];
    const place = placeOf(name);
    if (mask === undefined) ignored.fill(0xff, place.offset, place.offset + place.size);
    else putHex(ignored, place, mask);
  }
  for (const [name, place] of REPORTED) {
    for (let i = place.offset; i < place.offset + place.size; i++) {
      if (((wanted[i]! ^ got[i]!) & ~ignored[i]!) === 0) continue;
      differences.push(`${name} ${getHex(got, place)}, expected ${getHex(wanted, place)}`);
      break;
    }
  }
}

function compareMemory(machine: VectorMachine, vector: Vector, differences: string[]): void {
  const { u8, ram } = machine;
  for (const entry of vector.x ?? []) {
    if (!entry.startsWith('mem:')) continue;
    const [, address, length] = entry.split(':') as [string, string, string];
    for (let i = 0; i < Number(length); i++) {
      const at = parseInt(address, 16) + i;
      if (!inRegions(at)) continue; // the area may run past the end of a region that it faulted in
      const [image, offset] = imageAt(at);
      image[offset] = u8[ram + (image === wantedData ? DATA : STACK).physical + offset]!;
    }
  }
  for (const [region, image] of [
    [DATA, wantedData],
    [STACK, wantedStack],
  ] as const) {
    const actual = u8.subarray(ram + region.physical, ram + region.physical + region.size);
    if (Buffer.compare(actual, image) === 0) continue;
    let reported = 0;
    for (let i = 0; i < region.size && reported < MAX_REPORTED_BYTES; i++) {
      if (actual[i] === image[i]) continue;
      differences.push(`[${(region.linear + i).toString(16)}] ${actual[i]!.toString(16)}, expected ${image[i]!.toString(16)}`);
      reported++;
    }
  }
}
