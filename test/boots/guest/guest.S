# A multiboot guest for tests: 32-bit protected mode. Prints on COM1 what it finds, takes the timer's interrupt through the 8259 and through the I/O APIC, starts the
# other processors by INIT and start-up IPIs, and ends through port F4h with 10h (exit status 21h), or with the number of what failed.

        .set APIC, 0xfee00000
        .set IOAPIC, 0xfec00000
        .set PIC_VECTOR, 0x20
        .set APIC_VECTOR, 0x40
        .set TRAMPOLINE, 0x8000

        .section .text
        .code32
        .align 4
header: .long 0x1badb002, 3, -(0x1badb002 + 3)

        .globl start
start:  mov $stack, %esp
        cmp $0x2badb002, %eax
        mov $1, %edx
        jne fail
        mov %ebx, info
        lgdt gdtr
        ljmp $8, $1f
1:      mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $greeting, %esi
        call print
        mov info, %ebx
        mov 16(%ebx), %esi              # command line
        call print
        call newline
        mov info, %ebx                  # the first module's text
        cmpl $0, 20(%ebx)
        je 2f
        mov 24(%ebx), %ebx
        mov (%ebx), %esi
        call print
2:
        # A gate for every vector: those of the two interrupts, and one that fails.
        mov $idt, %edi
        mov $256, %ecx
        mov $unexpected, %eax
3:      call gate
        add $8, %edi
        loop 3b
        mov $idt + PIC_VECTOR * 8, %edi
        mov $pic_tick, %eax
        call gate
        mov $idt + APIC_VECTOR * 8, %edi
        mov $apic_tick, %eax
        call gate
        lidt idtr

        # The 8259s at 20h and 28h, only IRQ 0 open; the PIT 1,000 times a second.
        mov $pic_setup, %esi
4:      movzwl (%esi), %edx
        test %edx, %edx
        jz 5f
        mov 2(%esi), %al
        out %al, %dx
        add $3, %esi
        jmp 4b
5:      sti
6:      hlt
        cmpl $3, pic_ticks
        jb 6b
        cli
        mov $text_pic, %esi
        call print

        # All of the 8259 masked; pin 2 of the I/O APIC to the first processor, edge.
        mov $0xff, %al
        out %al, $0x21
        movl $0x1ff, APIC + 0xf0
        movl $0x14, IOAPIC
        movl $APIC_VECTOR, IOAPIC + 0x10
        movl $0x15, IOAPIC
        movl $0, IOAPIC + 0x10
        sti
7:      hlt
        cmpl $3, apic_ticks
        jb 7b
        cli
        mov $text_apic, %esi
        call print

        # The number of processors from fw_cfg, the others started by INIT and two start-up IPIs.
        mov $5, %eax
        mov $0x510, %edx
        out %ax, %dx
        inc %edx
        in %dx, %al
        movzbl %al, %eax
        mov %eax, expected
        mov $trampoline, %esi
        mov $TRAMPOLINE, %edi
        mov $trampoline_end - trampoline, %ecx
        rep movsb
        movl $0x000c4500, APIC + 0x300
        movl $0x000c4600 + (TRAMPOLINE >> 12), APIC + 0x300
        movl $0x000c4600 + (TRAMPOLINE >> 12), APIC + 0x300
        mov $10000000, %ecx
8:      pause
        mov started, %eax
        inc %eax
        cmp expected, %eax
        je 9f
        loop 8b
        mov $2, %edx
        jmp fail
9:      mov expected, %eax
        add $'0', %al
        call putc
        mov $text_processors, %esi
        call print
        mov $0x10, %eax
        out %eax, $0xf4
        mov $3, %edx
fail:   mov %edx, %eax
        out %eax, $0xf4
        cli
        hlt

unexpected:
        mov $4, %edx
        jmp fail

pic_tick:
        push %eax
        incl pic_ticks
        mov $0x20, %al
        out %al, $0x20
        pop %eax
        iret
apic_tick:
        incl apic_ticks
        movl $0, APIC + 0xb0
        iret

# edi: gate, eax: handler
gate:   mov %ax, (%edi)
        movw $8, 2(%edi)
        movw $0x8e00, 4(%edi)
        push %eax
        shr $16, %eax
        mov %ax, 6(%edi)
        pop %eax
        ret

# esi: text
print:  lodsb
        test %al, %al
        jz 1f
        call putc
        jmp print
1:      ret
newline:
        mov $'\n', %al
putc:   push %eax
        mov $0x3fd, %edx
1:      in %dx, %al
        test $0x20, %al
        jz 1b
        pop %eax
        mov $0x3f8, %edx
        out %al, %dx
        ret

# Real mode, at 0800:0000; into protected mode and to the counting.
        .code16
trampoline:
        cli
        lgdtl %cs:gdtr_copy - trampoline
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $8, $ap
gdtr_copy:
        .word 23
        .long gdt
trampoline_end:
        .code32
ap:     mov $16, %eax
        mov %eax, %ds
        lock incl started
1:      hlt
        jmp 1b

        .align 8
gdt:    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   .word 23
        .long gdt
idtr:   .word 256 * 8 - 1
        .long idt
        .macro outs port, value
        .word \port
        .byte \value
        .endm
pic_setup:
        outs 0x20, 0x11
        outs 0x21, PIC_VECTOR
        outs 0x21, 0x04
        outs 0x21, 0x01
        outs 0x21, 0xfe
        outs 0xa0, 0x11
        outs 0xa1, PIC_VECTOR + 8
        outs 0xa1, 0x02
        outs 0xa1, 0x01
        outs 0xa1, 0xff
        outs 0x43, 0x34
        outs 0x40, 1193 & 0xff
        outs 0x40, 1193 >> 8
        .word 0
greeting:
        .asciz "guest: "
text_pic:
        .asciz "timer through the 8259\n"
text_apic:
        .asciz "timer through the I/O APIC\n"
text_processors:
        .asciz " processors\n"

        .section .bss
        .align 16
idt:    .skip 256 * 8
info:   .skip 4
pic_ticks: .skip 4
apic_ticks: .skip 4
started: .skip 4
expected: .skip 4
        .skip 4096
stack:
