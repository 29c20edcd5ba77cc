# Flat 64-bit image at 0x10000: a table of addresses, then the code. The host maps memory identically and calls an entry (RDI = repeats, RSI = heap).
.section .text.start
.globl ktab
ktab: .quad k1_alu, k2_sieve, k3_hash, k5_list, k6_fib, k7_vm, kpio, kint, isr, k4_copy, k9_alu64, k5_listL

.p2align 4
.globl kpio, kint, isr
kpio: imul $1000,%edi,%edi
1: mov %edi,%eax
 out %al,$0x80
 in $0x80,%al
 sub $1,%edi
 jne 1b
 xor %eax,%eax
 ret
kint: imul $1000,%edi,%edi
 movq $0,0x6000
1: int $0x40
 sub $1,%edi
 jne 1b
 mov 0x6000,%eax
 ret
isr: addq $1,0x6000
 iretq
