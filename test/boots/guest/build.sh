#!/bin/sh
# Builds the multiboot guest (needs gcc with -m32, binutils). The result is committed: a user needs neither.
set -eu
cd "$(dirname "$0")"
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
gcc -m32 -c guest.S -o "$T/guest.o"
ld -N -m elf_i386 -z noexecstack --build-id=none -Ttext 0x100000 -e start "$T/guest.o" -o guest.elf
strip guest.elf
ls -l guest.elf
