/**
 * What a PC's BIOS has left behind when a boot loader starts: interrupt vectors and BIOS data area in low memory, the 8259s at vectors 8 and 70h, the timer ticking
 * 18.2 times a second through IRQ 0. There is no BIOS behind the vectors: hardware interrupts are counted and ended, software interrupts return at once.
 */
import type { CpuView, PhysicalMemory } from '../../hal/bus/index.ts';
import { BIOS_AREA, EBDA } from './memorymap.ts';

const BIOS_SEGMENT = BIOS_AREA >> 4;
/** Offsets of the handlers in the BIOS segment. */
const RETURN = 0x100,
  TICK = 0x110,
  END_FIRST = 0x140,
  END_SECOND = 0x150;
const VECTOR_TICK = 0x08,
  VECTOR_SECOND = 0x70;
/** BIOS data area: COM1's port, EBDA segment, KiB of memory below it, and the tick count, which the handler below increments. */
const BDA_COM1 = 0x400,
  BDA_EBDA = 0x40e,
  BDA_MEMORY = 0x413,
  BDA_SIZE = 0x100;
const COM1 = 0x3f8;

const HANDLERS: readonly (readonly [number, string])[] = [
  [RETURN, 'cf'], // iret
  // push ds; push ax; mov ax, 40h; mov ds, ax; inc dword [6Ch]; int 1Ch; mov al, 20h; out 20h, al; pop ax; pop ds; iret
  [TICK, '1e 50 b8 40 00 8e d8 66 ff 06 6c 00 cd 1c b0 20 e6 20 58 1f cf'],
  // push ax; mov al, 20h; out 20h, al; pop ax; iret
  [END_FIRST, '50 b0 20 e6 20 58 cf'],
  // push ax; mov al, 20h; out A0h, al; out 20h, al; pop ax; iret
  [END_SECOND, '50 b0 20 e6 a0 e6 20 58 cf'],
];

/** ICW1 to ICW4 of both chips; of the masks, the timer's and the cascade's are open. */
const INTERRUPT_CONTROLLERS: readonly (readonly [port: number, value: number])[] = [
  [0x20, 0x11],
  [0x21, VECTOR_TICK],
  [0x21, 0x04],
  [0x21, 0x01],
  [0x21, 0xfa],
  [0xa0, 0x11],
  [0xa1, VECTOR_SECOND],
  [0xa1, 0x02],
  [0xa1, 0x01],
  [0xa1, 0xff],
];
/** Counter 0 of the PIT in mode 3, dividing by 65,536; COM1 with eight data bits. */
const DEVICES: readonly (readonly [port: number, value: number])[] = [
  [0x43, 0x36],
  [0x40, 0x00],
  [0x40, 0x00],
  [COM1 + 3, 0x03],
];

/** Fills low memory and sets the devices up, through the first processor's ports. */
export function initialiseBios(memory: PhysicalMemory, cpu: CpuView): void {
  for (const [offset, code] of HANDLERS)
    memory.writeBytes(
      BIOS_AREA + offset,
      Uint8Array.from(code.split(' '), byte => parseInt(byte, 16)),
    );
  for (let vector = 0; vector < 256; vector++) memory.write32(vector * 4, (BIOS_SEGMENT << 16) | handlerOf(vector));
  memory.fill(BDA_COM1, BDA_SIZE, 0);
  memory.write16(BDA_COM1, COM1);
  memory.write16(BDA_EBDA, EBDA >> 4);
  memory.write16(BDA_MEMORY, EBDA >> 10);
  for (const [port, value] of [...INTERRUPT_CONTROLLERS, ...DEVICES]) cpu.portOut(port, 1, value);
}

function handlerOf(vector: number): number {
  if (vector === VECTOR_TICK) return TICK;
  if (vector > VECTOR_TICK && vector < VECTOR_TICK + 8) return END_FIRST;
  return vector >= VECTOR_SECOND && vector < VECTOR_SECOND + 8 ? END_SECOND : RETURN;
}
