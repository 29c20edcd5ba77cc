; A 64 KiB ROM that is its own firmware: protected mode, copies the 32-bit image to 0x10000 and jumps there.
bits 16
org 0
start: cli
  lgdt [cs:gdtr]
  mov eax,cr0
  or al,1
  mov cr0,eax
  jmp dword 8:(0xf0000+pm)
bits 32
pm: mov ax,16
  mov ds,ax
  mov es,ax
  mov ss,ax
  mov fs,ax
  mov gs,ax
  mov esp,0x90000
  mov esi,0xf0000+image
  mov edi,0x10000
  mov ecx,(image_end-image+3)/4
  cld
  rep movsd
  mov eax,0x10000
  jmp eax
align 8
gdt: dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr: dw 23
  dd 0xf0000+gdt
align 16
image: incbin "img32.bin"
image_end:
times 0xfff0-($-$$) db 0
bits 16
  jmp 0xf000:start
times 0x10000-($-$$) db 0
