#!/bin/sh
# Builds busy.sys with mingw-w64, reproducibly. OUT=DIR writes it elsewhere.
set -eu
cd "$(dirname "$0")"
${CC:-x86_64-w64-mingw32-gcc} -O2 -Wall -Wextra -Wno-unknown-pragmas -fno-ident -I"${DDK:-/usr/x86_64-w64-mingw32/include/ddk}" -nostdlib \
  -Wl,--subsystem,native -Wl,--entry,DriverEntry -Wl,--no-insert-timestamp -o "${OUT:-.}/busy.sys" busy.c -lntoskrnl -lhal -lgcc
