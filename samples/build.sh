#!/bin/sh
# Symbols stay in the image, so that the debugger can name routines.
# Builds every sample (or those named) with mingw-w64; one whose first line says compiler=clang is compiled by clang, which has __try. The output is reproducible: same compiler, same bytes.
#   samples/build.sh [NAME...]          writes samples/NAME/NAME.sys
#   OUT=DIR samples/build.sh [NAME...]  writes DIR/NAME.sys
set -eu
cd "$(dirname "$0")"
CC=${CC:-x86_64-w64-mingw32-gcc}
DDK=${DDK:-/usr/x86_64-w64-mingw32/include/ddk}   # Debian: gcc-mingw-w64-x86-64
[ $# -gt 0 ] || set -- $(ls -d */ | tr -d /)
for name in "$@"; do
  out=${OUT:+$OUT/$name.sys}
  if head -1 "$name/$name.c" | grep -q 'compiler=clang'; then
    object=$(mktemp)
    clang --target=x86_64-w64-windows-gnu -fms-extensions -fexceptions -fseh-exceptions -fasynchronous-unwind-tables -ffreestanding -O2 -w -fno-ident \
      -isystem "$DDK" -isystem "$DDK/.." -c -x c -o "$object" "$name/$name.c"
    $CC -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry -Wl,--no-insert-timestamp -o "${out:-$name/$name.sys}" "$object" -lntoskrnl -lhal -lgcc
    rm -f "$object"
    continue
  fi
  $CC -O2 -Wall -Wextra -Wno-unknown-pragmas -Wno-multichar -fno-ident -I"$DDK" -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry \
    -Wl,--no-insert-timestamp -o "${out:-$name/$name.sys}" "$name/$name.c" -lntoskrnl -lhal -lgcc
done
