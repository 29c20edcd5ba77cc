/**
 * The code at which a processor starts, in real mode at the beginning of a page below 1 MiB (Intel SDM vol. 3, 8.4.4 and 9.8.5): real mode, then IA-32e mode in one step (CR4.PAE, CR3,
 * EFER.LME, CR0.PE and PG together), then a far jump into 64-bit code.
 */

/** What the processor is to become. */
export interface StartupState {
  /** Physical address of the page, below 1 MiB. */
  page: number;
  cr0: number;
  /** Physical address of a PML4, below 4 GiB, that maps the page to itself and whatever `entry` needs. */
  cr3: number;
  cr4: number;
  efer: number;
  /** Address at which it goes on in 64-bit mode, on no stack, interrupts off. */
  entry: number;
  /** RCX there. */
  argument: number;
}

const IA32_EFER = 0xc0000080;
const CODE64 = 0x08;
const GDT_OFFSET = 0x80,
  GDTR_OFFSET = 0x90;
const CODE64_DESCRIPTOR = [0, 0, 0, 0, 0, 0x9b, 0x20, 0];

const bytesOf = (value: bigint | number, size: number): number[] => {
  const v = BigInt.asUintN(64, BigInt(value));
  return Array.from({ length: size }, (_, i) => Number((v >> BigInt(8 * i)) & 0xffn));
};

/** The page's contents. Throws a RangeError for a page or a PML4 that the processor cannot reach from real mode. */
export function startupCode(s: StartupState): Uint8Array {
  if (s.page % 0x1000 !== 0 || s.page >= 0x100000 || s.cr3 >= 0x100000000)
    throw new RangeError('a processor starts below 1 MiB with page tables below 4 GiB');
  const movEax = (value: number): number[] => [0x66, 0xb8, ...bytesOf(value, 4)];
  const code16 = [
    0xfa, // cli
    0xfc, // cld
    ...[0x8c, 0xc8], // mov ax, cs
    ...[0x8e, 0xd8], // mov ds, ax
    ...[0x66, 0x0f, 0x01, 0x16, ...bytesOf(GDTR_OFFSET, 2)], // lgdt [gdtr]
    ...movEax(s.cr4),
    ...[0x0f, 0x22, 0xe0], // mov cr4, eax
    ...movEax(s.cr3),
    ...[0x0f, 0x22, 0xd8], // mov cr3, eax
    ...[0x66, 0xb9, ...bytesOf(IA32_EFER, 4)], // mov ecx, IA32_EFER
    ...movEax(s.efer),
    ...[0x66, 0x31, 0xd2], // xor edx, edx
    ...[0x0f, 0x30], // wrmsr
    ...movEax(s.cr0),
    ...[0x0f, 0x22, 0xc0], // mov cr0, eax
  ];
  const FAR_JUMP_LENGTH = 8;
  const long = s.page + code16.length + FAR_JUMP_LENGTH;
  const code = [
    ...code16,
    ...[0x66, 0xea, ...bytesOf(long, 4), ...bytesOf(CODE64, 2)], // jmp CODE64:long
    ...[0x48, 0xb8, ...bytesOf(s.entry, 8)], // mov rax, entry
    ...[0x48, 0xb9, ...bytesOf(s.argument, 8)], // mov rcx, argument
    ...[0xff, 0xe0], // jmp rax
  ];
  const page = new Uint8Array(0x100);
  page.set(code);
  page.set(CODE64_DESCRIPTOR, GDT_OFFSET + CODE64);
  page.set([...bytesOf(CODE64 + 7, 2), ...bytesOf(s.page + GDT_OFFSET, 4)], GDTR_OFFSET);
  return page;
}
