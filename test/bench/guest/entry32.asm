; 32-bit image at 0x10000: paging on (identity, 4 KiB pages, 64 MiB, as in the 64-bit run), then main.
section .text
extern kmain
global start
bits 32
start:
  mov edi,0x100000
  mov ecx,0x40000/4
  xor eax,eax
  rep stosd
  mov edi,0x100000
  mov eax,0x110003
  mov ecx,16
.a: mov [edi],eax
  add eax,0x1000
  add edi,4
  loop .a
  mov edi,0x110000
  mov eax,3
  mov ecx,16384
.b: mov [edi],eax
  add eax,0x1000
  add edi,4
  loop .b
  mov eax,0x100000
  mov cr3,eax
  mov eax,cr0
  or eax,0x80010000
  mov cr0,eax
  jmp 8:.pg
.pg: call kmain
.h: cli
  hlt
  jmp .h
