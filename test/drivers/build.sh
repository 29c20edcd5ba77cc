#!/bin/sh
# Builds test drivers: test/drivers/build.sh NAME... (all without names). The .sys files are committed: a checkout needs no compiler.
# gcc-mingw-w64-x86-64 compiles; a first line `// ktest: compiler=clang` takes clang (Debian: clang lld), whose __try is real.
set -eu
cd "$(dirname "$0")"
DDK=${DDK:-/usr/x86_64-w64-mingw32/include/ddk}
LIB=$(mktemp -d)
trap 'rm -rf "$LIB"' EXIT
npx tsx importlib.ts "$LIB"
for m in ntoskrnl hal; do x86_64-w64-mingw32-dlltool -d "$LIB/$m.def" -l "$LIB/lib$m.a"; done
[ $# -gt 0 ] || set -- $(ls -d */ | tr -d /)
for name in "$@"; do
  source=$name/$name.c
  hash=$(cat "$source" | sha256sum | cut -c1-64)
  if head -1 "$source" | grep -q 'compiler=clang'; then
    clang --target=x86_64-w64-windows-gnu -fms-extensions -fseh-exceptions -fexceptions -fasynchronous-unwind-tables -O2 -w -ffreestanding -fno-ident -isystem "$DDK" \
      -isystem "$DDK/.." -DKTEST_SOURCE="\"$hash\"" -include stamp.h -c -o "$LIB/$name.o" "$source"
  else
    x86_64-w64-mingw32-gcc -O2 -Wall -Wno-unknown-pragmas -Wno-multichar -Wno-array-bounds -Wno-unused-function -fno-builtin -fno-ident -I"$DDK" \
      -DKTEST_SOURCE="\"$hash\"" -include stamp.h -c -o "$LIB/$name.o" "$source"
  fi
  x86_64-w64-mingw32-gcc -s -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry -Wl,--no-insert-timestamp \
    -o "$name/$name.sys" "$LIB/$name.o" -L"$LIB" -lntoskrnl -lhal -lgcc
done
