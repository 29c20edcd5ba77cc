// Benchmark kernels: integer code of several kinds, built for 64 bits (kmode) and for 32 bits (v86). Each takes a repeat count and a heap, and returns a checksum.
typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned long ul;
#define NI __attribute__((noinline,noclone))

// 1: integer ALU loop (32-bit regs)
NI u32 k1_alu(u32 rep, u8 *heap) {
  u32 a = 0x12345678, b = 0x9abcdef0, c = 7, d = 0x55aa55aa;
  (void)heap;
  for (u32 i = rep * 10000; i; i--) {
    a += b; b ^= a >> 3; c = c * 5 + i; d -= c; a = (a << 7) | (a >> 25);
    b += d & 0xff; c ^= b; d += a ^ i;
  }
  return a ^ b ^ c ^ d;
}
// 2: sieve of Eratosthenes, 512 KiB flags
NI u32 k2_sieve(u32 rep, u8 *f) {
  const u32 N = 1 << 19; u32 cnt = 0;
  for (u32 r = 0; r < rep; r++) {
    cnt = 0;
    for (u32 i = 0; i < N; i++) { ((volatile u8*)f)[i] = 1; }
    for (u32 i = 2; i < N; i++) if (f[i]) { cnt++; for (u32 j = i + i; j < N; j += i) ((volatile u8*)f)[j] = 0; }
  }
  return cnt;
}
// 3: CRC32 (table) over 64 KiB + sha256-like mix
static inline u32 ror(u32 x, int n) { return (x >> n) | (x << (32 - n)); }
NI u32 k3_hash(u32 rep, u8 *heap) {
  u32 *t = (u32*)heap; u8 *p = heap + 4096; u32 *w = (u32*)(heap + 2048);
  for (u32 i = 0; i < 256; i++) { u32 c = i; for (int k = 0; k < 8; k++) c = (c & 1) ? (c >> 1) ^ 0xEDB88320 : c >> 1; ((volatile u32*)t)[i] = c; }
  for (u32 i = 0; i < 65536; i++) ((volatile u8*)p)[i] = i * 7 + (i >> 8);
  u32 crc = ~0u, h0 = 0x6a09e667, h1 = 0xbb67ae85, h2 = 0x3c6ef372, h3 = 0xa54ff53a;
  for (u32 r = 0; r < rep; r++) {
    for (u32 i = 0; i < 65536; i++) crc = t[(crc ^ p[i]) & 255] ^ (crc >> 8);
    for (u32 b = 0; b < 65536; b += 64) {
      u32 *m = (u32*)(p + b);
      for (u32 i = 0; i < 16; i++) ((volatile u32*)w)[i] = m[i];
      for (u32 i = 16; i < 64; i++) {
        u32 s0 = ror(w[i-15], 7) ^ ror(w[i-15], 18) ^ (w[i-15] >> 3), s1 = ror(w[i-2], 17) ^ ror(w[i-2], 19) ^ (w[i-2] >> 10);
        ((volatile u32*)w)[i] = w[i-16] + s0 + w[i-7] + s1;
      }
      for (u32 i = 0; i < 64; i++) {
        u32 t1 = h3 + (ror(h0, 6) ^ ror(h0, 11) ^ ror(h0, 25)) + ((h0 & h1) ^ (~h0 & h2)) + w[i];
        h3 = h2; h2 = h1; h1 = h0; h0 = t1 + (h1 & h2);
      }
    }
  }
  return crc ^ h0 ^ h1 ^ h2 ^ h3;
}
// 4: rep movsb 1 MiB blocks
NI u32 k4_copy(u32 rep, u8 *heap) {
  for (u32 r = 0; r < rep; r++) {
    u8 *d = heap + 0x100000 + 64, *s = heap; ul n = 1 << 20;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) :: "memory");
  }
  return heap[0x100040 + 1234];
}
// 5: pointer chase: list = 8K nodes x 64 B (512 KiB, 128 pages); listL = 64K nodes (4 MiB, 1024 pages)
static inline __attribute__((always_inline)) u32 chase(u32 rep, u8 *heap, const u32 N) {
  u32 x = 1;
  for (u32 i = 0; i < N; i++) { // full-period LCG order mod 2^n
    u32 nx = (x * 25173 + 13849) & (N - 1);
    *(void * volatile *)(heap + (ul)x * 64) = heap + (ul)nx * 64; ((volatile u32*)(heap + (ul)x * 64))[2] = i; x = nx;
  }
  void **p = (void**)(heap + 64); u32 s = 0;
  for (u32 i = rep * N; i; i--) { s += ((u32*)p)[2]; p = (void**)*p; }
  return s;
}
NI u32 k5_list(u32 rep, u8 *heap) { return chase(rep, heap, 8192); }
NI u32 k5_listL(u32 rep, u8 *heap) { return chase(rep, heap, 65536); }
// 6: recursion
__attribute__((noinline,noclone,optimize("O1","no-optimize-sibling-calls"))) u32 fib(u32 n) { if (n < 2) return n; return fib(n - 1) + fib(n - 2); }
NI u32 k6_fib(u32 rep, u8 *heap) { u32 s = 0; (void)heap; for (u32 r = 0; r < rep; r++) s += fib(22); return s; }
// 7: bytecode VM (switch dispatch through a jump table)
static const u8 prog[] = {
  0,0,16,   // ldi r0, 16 (outer)
  0,1,200,  // ldi r1, 200
  1,2,1,    // add r2, r1
  2,3,2,    // xor r3, r2
  3,4,3,    // shl r4 = r3<<3
  4,2,4,    // sub r2, r4
  5,5,2,    // st mem[r5&63]=r2
  6,6,5,    // ld r6 = mem[r5&63]
  7,5,1,    // addi r5,1
  9,3,1,    // if (r3&1) skip next
  1,3,6,    // add r3, r6
  7,1,255,  // addi r1,-1
  8,1,6,    // jnz r1, pc=6
  7,0,255,  // addi r0,-1
  8,0,3,    // jnz r0, pc=3
  10,0,0 }; // halt
NI u32 k7_vm(u32 rep, u8 *heap) {
  u32 *R = (u32*)heap, *M = (u32*)(heap + 256); u32 out = 0;
  for (u32 i = 0; i < 16; i++) ((volatile u32*)R)[i] = 0;
  for (u32 i = 0; i < 64; i++) ((volatile u32*)M)[i] = 0;
  for (u32 r = 0; r < rep; r++) {
    u32 pc = 0;
    for (;;) {
      u32 op = prog[pc], a = prog[pc + 1], b = prog[pc + 2]; pc += 3;
      switch (op) {
        case 0: R[a] = b; break;
        case 1: R[a] += R[b]; break;
        case 2: R[a] ^= R[b]; break;
        case 3: R[a] = R[b] << 3; break;
        case 4: R[a] -= R[b]; break;
        case 5: M[R[a] & 63] = R[b]; break;
        case 6: R[a] = M[R[b] & 63]; break;
        case 7: R[a] += (u32)(signed char)b; break;
        case 8: if (R[a]) pc = b; break;
        case 9: if (R[a] & 1) pc += 3; break;
        case 10: goto done;
        case 11: R[a] |= R[b]; break;
        default: out ^= 1; break;
      }
    }
    done: out += R[3] ^ R[2];
  }
  return out;
}
// 9: 64-bit-word ALU + memory (native word; only the 64-bit build compares)
NI u32 k9_alu64(u32 rep, u8 *heap) {
  ul a = (ul)0x123456789abcdefULL, b = (ul)0xfedcba9876543210ULL, s = 0; ul *m = (ul*)heap;
  for (u32 i = 0; i < 512; i++) ((volatile ul*)m)[i] = a * (i + 1);
  for (u32 r = 0; r < rep; r++)
    for (u32 i = 0; i < 10000; i++) {
      a += b; b ^= a >> 7; s += m[(a >> 11) & 511]; a *= 0x9E3779B1; ((volatile ul*)m)[i & 511] = s ^ b; b += i;
    }
  return (u32)(a ^ b ^ s) ^ (u32)((u64)(a ^ b ^ s) >> 32);
}
