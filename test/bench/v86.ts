// Runs the 32-bit build of the benchmark kernels in v86 (its JIT, warmed up by one pass) and prints one JSON line: MIPS by kernel,
// from its own instruction counter and this process's CPU time. A process of its own, so that neither engine disturbs the other.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import { KERNELS, REPS_MARK } from './kernels.ts';

const scale = Number(process.argv[2] ?? '1');
const rom = readFileSync(new URL('./guest/bench32.rom', import.meta.url));
const table = rom.indexOf(REPS_MARK);
KERNELS.forEach((k, i) => rom.writeUInt32LE(Math.max(1, Math.round(k.v86Reps * scale)), table + 4 + 4 * i));

const emulator = new V86({
  wasm_path: fileURLToPath(import.meta.resolve('v86/build/v86.wasm')),
  memory_size: 128 << 20,
  vga_memory_size: 2 << 20,
  bios: { buffer: rom.buffer.slice(rom.byteOffset, rom.byteOffset + rom.length) as ArrayBuffer },
  autostart: true,
  disable_keyboard: true,
  disable_mouse: true,
  log_level: 0,
});
const results: { [name: string]: { mips: number; checksum: string } } = {};
let line = '';
let cpu = process.cpuUsage();
let count = 0;
emulator.add_listener('serial0-output-byte', (byte: number) => {
  if (byte !== 10) {
    line += String.fromCharCode(byte);
    return;
  }
  const [mark, name, checksum] = line.split(' ');
  line = '';
  const now = emulator.get_instruction_counter();
  if (mark === 'S') {
    cpu = process.cpuUsage();
    count = now;
  } else if (mark === 'E') {
    const used = process.cpuUsage(cpu);
    results[name!] = { mips: ((now - count) >>> 0) / (used.user + used.system), checksum: checksum! };
  } else if (mark === 'DONE') {
    console.log(JSON.stringify(results));
    process.exit(0);
  }
});
