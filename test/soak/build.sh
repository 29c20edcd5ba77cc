#!/bin/sh
# Builds pump/pump.sys with mingw-w64, reproducibly, as samples/build.sh does.
set -eu
cd "$(dirname "$0")"
CC=${CC:-x86_64-w64-mingw32-gcc}
DDK=${DDK:-/usr/x86_64-w64-mingw32/include/ddk}
$CC -O2 -Wall -Wextra -Wno-unknown-pragmas -fno-ident -I"$DDK" -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry \
  -Wl,--no-insert-timestamp -o "${OUT:-pump}/pump.sys" pump/pump.c -lntoskrnl -lhal -lgcc
