// Runs the kernels that the host's table asks for and marks start and end of each on COM1: "S name", "E name checksum".
typedef unsigned char u8; typedef unsigned int u32; typedef unsigned short u16;
u32 k1_alu(u32,u8*),k2_sieve(u32,u8*),k3_hash(u32,u8*),k5_list(u32,u8*),k6_fib(u32,u8*),k7_vm(u32,u8*);
__attribute__((section(".table"))) volatile u32 reps[8] = { 0x50455222 };
static inline void outb(u16 p, u8 v) { __asm__ volatile("outb %0,%1"::"a"(v),"Nd"(p)); }
static void text(const char *s) { while (*s) outb(0x3f8, *s++); }
static void hex(u32 v) { for (int i = 28; i >= 0; i -= 4) outb(0x3f8, "0123456789abcdef"[(v >> i) & 15]); }
static const struct { const char *name; u32 (*f)(u32, u8 *); } K[] = {
  { "alu", k1_alu }, { "sieve", k2_sieve }, { "hash", k3_hash }, { "list", k5_list }, { "fib", k6_fib }, { "vm", k7_vm } };
void kmain(void) {
  text("READY\n");
  for (int pass = 0; pass < 2; pass++)          // the first pass warms the JIT up
    for (int k = 0; k < 6; k++) {
      if (!reps[k + 1]) continue;
      text("S "); text(K[k].name); text("\n");
      u32 r = K[k].f(reps[k + 1], (u8 *)0x1000000);
      text("E "); text(K[k].name); text(" "); hex(r); text("\n");
    }
  text("DONE\n");
}
