#!/bin/sh
# Builds the benchmark guests (needs gcc with -m32, nasm, binutils). The results are committed: a user needs none of these.
set -eu
cd "$(dirname "$0")"
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
CF="-O2 -ffreestanding -fno-pic -fno-pie -mgeneral-regs-only -fcf-protection=none -fno-stack-protector -fno-asynchronous-unwind-tables -fno-tree-vectorize -fno-tree-loop-distribute-patterns -mno-red-zone -fno-ident"
gcc -m64 $CF -c kernels.c -o $T/k64.o
gcc -m64 -c entry64.S -o $T/e64.o
ld -z noexecstack -m elf_x86_64 -Ttext 0x10000 -e ktab $T/e64.o $T/k64.o -o $T/flat64.elf 2>/dev/null
objcopy -O binary $T/flat64.elf bench64.bin
gcc -m32 $CF -march=i686 -c kernels.c -o $T/k32.o
gcc -m32 $CF -march=i686 -c main32.c -o $T/m32.o
nasm -f elf32 entry32.asm -o $T/s32.o
ld -m elf_i386 -z noexecstack -Ttext 0x10000 -e start $T/s32.o $T/m32.o $T/k32.o -o $T/img32.elf 2>/dev/null
objcopy -O binary $T/img32.elf $T/img32.bin
cp rom32.asm $T; (cd $T && nasm -f bin rom32.asm -o rom32.bin)
cp $T/rom32.bin bench32.rom
ls -l bench64.bin bench32.rom
# The driver of kernel.ts.
x86_64-w64-mingw32-gcc -O2 -Wall -Wno-unknown-pragmas -Wno-multichar -fno-ident -I/usr/x86_64-w64-mingw32/include/ddk -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry \
  -Wl,--no-insert-timestamp -s -o kbench.sys kbench.c -lntoskrnl -lhal -lgcc
