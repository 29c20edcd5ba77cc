#!/bin/sh
# Builds the test drivers with mingw-w64. The results are committed: a checkout needs no compiler.
set -e
cd "$(dirname "$0")"
cc() {
  x86_64-w64-mingw32-gcc "$@" -s -I/usr/x86_64-w64-mingw32/include/ddk -nostdlib -Wl,--subsystem,native \
    -Wl,--entry,DriverEntry -Wl,--no-insert-timestamp -lntoskrnl -lhal -lgcc
}
cc -O2 -o dispatcher.sys dispatcher.c -lntoskrnl -lhal -lgcc
cc -O2 -o processors.sys processors.c -lntoskrnl -lhal -lgcc
cc -O2 -DSTALE -o stale.sys processors.c -lntoskrnl -lhal -lgcc
cc -O2 -o xstate.sys xstate.c -lntoskrnl -lhal -lgcc
cc -O2 -o apc.sys apc.c -lntoskrnl -lhal -lgcc
cc -O2 -fno-builtin -Wno-multichar -o executive.sys executive.c -lntoskrnl -lhal -lgcc
cc -O2 -o console.sys console.c -lntoskrnl -lhal -lgcc
cc -O2 -fno-builtin -Wno-multichar -o io.sys io.c -lntoskrnl -lhal -lgcc
for case in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
  cc -O1 -DCASE=$case -o fault-$case.sys fault.c -lntoskrnl -lhal -lgcc
done
