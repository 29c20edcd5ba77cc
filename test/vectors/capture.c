// Makes a vector file (see FORMAT.md) by single-stepping instructions on the processor that this program runs on.
//
//   gcc -O2 -o capture capture.c && ./capture SEED VECTORS_PER_FORM > out.jsonl
//
// A traced child holds the three regions; for each vector the parent writes its registers and memory, steps it once, and
// writes down what differs. x86-64 Linux with SSE4.2 is needed.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE 0x10000000ull
#define DATA 0x20000000ull
#define STACK 0x30000000ull
#define DATA_SIZE 0x2000
#define CODE_SIZE 0x1000
#define USER_FLAGS 0xcd5u
#define RESET_MXCSR 0x1f80

enum kind { INT, SSE };
enum { IMM8 = 1, IMM32 = 2, NO_MODRM = 4, BYTE_OP = 8, REG_ONLY = 16, MEM_ONLY = 32, DIGIT = 64, ALIGNED = 128, COUNT_CL = 256, SHIFT = 512, ROTATE = 1024, BITSCAN = 2048, DIVIDE = 4096, NO_W = 8192, ANY_SIZE = 16384, STRING = 32768, STACKOP = 65536 };

struct form {
  const char *name;
  enum kind kind;
  uint8_t prefix; // mandatory prefix, or 0
  uint8_t opcode[3];
  int length; // of the opcode
  int flags;
  int digit;
  unsigned undefined; // RFLAGS bits the SDM leaves undefined
};

#define I(name, op, flags, digit, undefined) {name, INT, 0, {op}, 1, flags, digit, undefined}
#define I2(name, prefix, op, flags, digit, undefined) {name, INT, prefix, {0x0f, op}, 2, flags, digit, undefined}
#define S(name, prefix, op, flags) {name, SSE, prefix, {0x0f, op}, 2, flags, 0, 0}
#define S38(name, prefix, op, flags) {name, SSE, prefix, {0x0f, 0x38, op}, 3, flags, 0, 0}
#define S3A(name, prefix, op, flags) {name, SSE, prefix, {0x0f, 0x3a, op}, 3, flags | IMM8, 0, 0}
#define ALU(name, base, digit, u) I(name, base, BYTE_OP, 0, u), I(name, base + 1, ANY_SIZE, 0, u), I(name, base + 2, BYTE_OP, 0, u), I(name, base + 3, ANY_SIZE, 0, u), \
  I(name, 0x80, BYTE_OP | DIGIT | IMM8, digit, u), I(name, 0x81, DIGIT | IMM32, digit, u), I(name, 0x83, ANY_SIZE | DIGIT | IMM8, digit, u)
#define SHIFTS(name, digit, f) I(name, 0xd0, BYTE_OP | DIGIT, digit, f == SHIFT ? 0x10 : 0), I(name, 0xd1, ANY_SIZE | DIGIT, digit, f == SHIFT ? 0x10 : 0), \
  I(name, 0xc0, BYTE_OP | DIGIT | IMM8 | f, digit, 0), I(name, 0xc1, ANY_SIZE | DIGIT | IMM8 | f, digit, 0), I(name, 0xd2, BYTE_OP | DIGIT | COUNT_CL | f, digit, 0), I(name, 0xd3, ANY_SIZE | DIGIT | COUNT_CL | f, digit, 0)

// Not here: PUSHF (single-stepping sets the TF that it pushes), and targets of CALL that are not canonical (Intel's processors have pushed before
// they fault, AMD's have not).
static const struct form forms[] = {
  ALU("add", 0x00, 0, 0), ALU("or", 0x08, 1, 0x10), ALU("adc", 0x10, 2, 0), ALU("sbb", 0x18, 3, 0), ALU("and", 0x20, 4, 0x10), ALU("sub", 0x28, 5, 0), ALU("xor", 0x30, 6, 0x10), ALU("cmp", 0x38, 7, 0),
  SHIFTS("rol", 0, ROTATE), SHIFTS("ror", 1, ROTATE), SHIFTS("rcl", 2, ROTATE), SHIFTS("rcr", 3, ROTATE), SHIFTS("shl", 4, SHIFT), SHIFTS("shr", 5, SHIFT), SHIFTS("sar", 7, SHIFT),
  I("test", 0x84, BYTE_OP, 0, 0x10), I("test", 0x85, ANY_SIZE, 0, 0x10), I("xchg", 0x86, BYTE_OP, 0, 0), I("xchg", 0x87, ANY_SIZE, 0, 0), I("mov", 0x88, BYTE_OP, 0, 0), I("mov", 0x89, ANY_SIZE, 0, 0),
  I("mov", 0x8a, BYTE_OP, 0, 0), I("mov", 0x8b, ANY_SIZE, 0, 0), I("lea", 0x8d, ANY_SIZE | MEM_ONLY, 0, 0), I("movsxd", 0x63, 0, 0, 0), I("imul", 0x6b, ANY_SIZE | IMM8, 0, 0xd4), I("imul", 0x69, IMM32, 0, 0xd4),
  I("not", 0xf6, BYTE_OP | DIGIT, 2, 0), I("neg", 0xf7, ANY_SIZE | DIGIT, 3, 0), I("mul", 0xf7, ANY_SIZE | DIGIT, 4, 0xd4), I("imul", 0xf7, ANY_SIZE | DIGIT, 5, 0xd4), I("div", 0xf6, BYTE_OP | DIGIT, 6, 0x8d5),
  I("div", 0xf7, ANY_SIZE | DIGIT | DIVIDE, 6, 0x8d5), I("idiv", 0xf7, ANY_SIZE | DIGIT | DIVIDE, 7, 0x8d5), I("inc", 0xfe, BYTE_OP | DIGIT, 0, 0), I("dec", 0xff, ANY_SIZE | DIGIT, 1, 0),
  I("push", 0x54, NO_MODRM | STACKOP, 0, 0), I("pop", 0x58, NO_MODRM | STACKOP, 0, 0), I("call", 0xff, DIGIT | NO_W | STACKOP, 2, 0), I("ret", 0xc3, NO_MODRM | STACKOP, 0, 0),
  I("cbw", 0x98, NO_MODRM | ANY_SIZE, 0, 0), I("cwd", 0x99, NO_MODRM | ANY_SIZE, 0, 0), I("lahf", 0x9f, NO_MODRM, 0, 0), I("cmc", 0xf5, NO_MODRM, 0, 0), I("jbe", 0x76, NO_MODRM | IMM8, 0, 0), I("jle", 0x7e, NO_MODRM | IMM8, 0, 0),
  I("movs", 0xa4, NO_MODRM | STRING, 0, 0), I("stos", 0xab, NO_MODRM | STRING | ANY_SIZE, 0, 0), I("scas", 0xae, NO_MODRM | STRING, 0, 0), I("cmps", 0xa7, NO_MODRM | STRING | ANY_SIZE, 0, 0),
  I2("imul", 0, 0xaf, ANY_SIZE, 0, 0xd4), I2("movzx", 0, 0xb6, ANY_SIZE, 0, 0), I2("movsx", 0, 0xbf, 0, 0, 0), I2("setl", 0, 0x9c, BYTE_OP, 0, 0), I2("cmovae", 0, 0x43, ANY_SIZE, 0, 0), I2("cmovs", 0, 0x48, ANY_SIZE, 0, 0),
  I2("bt", 0, 0xba, ANY_SIZE | DIGIT | IMM8, 4, 0x894), I2("bts", 0, 0xba, ANY_SIZE | DIGIT | IMM8, 5, 0x894), I2("btc", 0, 0xbb, ANY_SIZE | REG_ONLY, 0, 0x894), I2("bsf", 0, 0xbc, ANY_SIZE | BITSCAN, 0, 0x895),
  I2("bsr", 0, 0xbd, ANY_SIZE | BITSCAN, 0, 0x895), I2("popcnt", 0xf3, 0xb8, 0, 0, 0), I2("tzcnt", 0xf3, 0xbc, 0, 0, 0x894), I2("lzcnt", 0xf3, 0xbd, 0, 0, 0x894), I2("xadd", 0, 0xc1, ANY_SIZE, 0, 0), I2("cmpxchg", 0, 0xb0, BYTE_OP, 0, 0),
  I2("cmpxchg8b", 0, 0xc7, DIGIT | MEM_ONLY | NO_W, 1, 0),

  S("movups", 0, 0x10, 0), S("movss", 0xf3, 0x10, 0), S("movsd", 0xf2, 0x11, 0), S("movlps", 0, 0x12, 0), S("movaps", 0, 0x28, ALIGNED), S("movdqa", 0x66, 0x7f, ALIGNED), S("movq", 0xf3, 0x7e, 0), S("movd", 0x66, 0x6e, 0), S("movd", 0x66, 0x7e, 0),
  S("movmskps", 0, 0x50, REG_ONLY), S("addps", 0, 0x58, ALIGNED), S("addsd", 0xf2, 0x58, 0), S("subss", 0xf3, 0x5c, 0), S("subpd", 0x66, 0x5c, ALIGNED), S("mulps", 0, 0x59, ALIGNED), S("mulsd", 0xf2, 0x59, 0), S("divss", 0xf3, 0x5e, 0), S("divpd", 0x66, 0x5e, ALIGNED),
  S("sqrtsd", 0xf2, 0x51, 0), S("sqrtps", 0, 0x51, ALIGNED), S("minps", 0, 0x5d, ALIGNED), S("maxsd", 0xf2, 0x5f, 0), S("cmppd", 0x66, 0xc2, ALIGNED | IMM8), S("cmpss", 0xf3, 0xc2, IMM8), S("ucomiss", 0, 0x2e, 0), S("comisd", 0x66, 0x2f, 0),
  S("cvtsi2sd", 0xf2, 0x2a, 0), S("cvtsi2ss", 0xf3, 0x2a, 0), S("cvttss2si", 0xf3, 0x2c, 0), S("cvtsd2si", 0xf2, 0x2d, 0), S("cvtpd2ps", 0x66, 0x5a, ALIGNED), S("cvtss2sd", 0xf3, 0x5a, 0), S("cvtdq2ps", 0, 0x5b, ALIGNED), S("cvtps2dq", 0x66, 0x5b, ALIGNED),
  S("punpcklbw", 0x66, 0x60, ALIGNED), S("packsswb", 0x66, 0x63, ALIGNED), S("pcmpgtb", 0x66, 0x64, ALIGNED), S("pshufd", 0x66, 0x70, ALIGNED | IMM8), S("psrlw", 0x66, 0xd1, ALIGNED), S("psrad", 0x66, 0xe2, ALIGNED), S("pmaddwd", 0x66, 0xf5, ALIGNED),
  S("psadbw", 0x66, 0xf6, ALIGNED), S("pxor", 0x66, 0xef, ALIGNED), S("paddusb", 0x66, 0xdc, ALIGNED), S("pmovmskb", 0x66, 0xd7, REG_ONLY), S("haddps", 0xf2, 0x7c, ALIGNED),
  S38("pshufb", 0x66, 0x00, ALIGNED), S38("pmulhrsw", 0x66, 0x0b, ALIGNED), S38("ptest", 0x66, 0x17, ALIGNED), S38("pmovsxbw", 0x66, 0x20, 0), S38("pmulld", 0x66, 0x40, ALIGNED), S38("aesenc", 0x66, 0xdc, ALIGNED),
  S3A("roundsd", 0x66, 0x0b, 0), S3A("dpps", 0x66, 0x40, ALIGNED), S3A("palignr", 0x66, 0x0f, ALIGNED), S3A("pclmulqdq", 0x66, 0x44, ALIGNED), S3A("pcmpistri", 0x66, 0x63, 0), S3A("pcmpestrm", 0x66, 0x60, 0),
};

static uint64_t seed;
static uint64_t rnd(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x2545f4914f6cdd1dull;
}

static const uint32_t singles[] = {0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x5effffff, 0x3f000000, 0x3fc00000, 0x4b800001};
static const uint64_t doubles[] = {0, 1ull << 63, 0x3ff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001, 0x7ff0000000000001, 1, 0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x41dfffffffe00000, 0xc1e0000000000000,
  0x43e0000000000000, 0x3fe0000000000000, 0x380fffffffffffff, 0x47efffffffffffff, 0x4008000000000000};

static uint64_t edge(void) {
  static const uint64_t values[] = {0, 1, ~0ull, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000};
  switch (rnd() % 4) {
    case 0: return values[rnd() % (sizeof values / sizeof *values)];
    case 1: return rnd() % 64;
    default: return rnd();
  }
}
static uint64_t lane(void) {
  switch (rnd() % 5) {
    case 0: return singles[rnd() % (sizeof singles / 4)] | (uint64_t)singles[rnd() % (sizeof singles / 4)] << 32;
    case 1: return doubles[rnd() % (sizeof doubles / 8)];
    case 2: return (rnd() & 0x80ffffff80ffffff) | 0x3f0000003f000000;
    case 3: return (rnd() & 0x800fffffffffffff) | (0x3f0 + rnd() % 32) << 52;
    default: return edge();
  }
}

struct state {
  struct user_regs_struct r;
  struct user_fpregs_struct f;
};
static const char *names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
static unsigned long long *gpr(struct state *s, int i) {
  unsigned long long *p[16] = {&s->r.rax, &s->r.rcx, &s->r.rdx, &s->r.rbx, &s->r.rsp, &s->r.rbp, &s->r.rsi, &s->r.rdi, &s->r.r8, &s->r.r9, &s->r.r10, &s->r.r11, &s->r.r12, &s->r.r13, &s->r.r14, &s->r.r15};
  return p[i];
}

static void die(const char *what) {
  perror(what);
  exit(1);
}
static uint8_t *region(uint64_t at, size_t size, int prot) {
  void *p = mmap((void *)at, size, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p == MAP_FAILED) die("mmap");
  return p;
}
static void get(pid_t pid, struct state *s) {
  if (ptrace(PTRACE_GETREGS, pid, 0, &s->r) || ptrace(PTRACE_GETFPREGS, pid, 0, &s->f)) die("ptrace get");
}

/** Writes an instruction of the form at `code`; its length. The memory operand's address goes to `*operand`, ModRM.reg to `*destination`. */
static int encode(const struct form *f, struct state *s, uint8_t *code, uint64_t *operand, int *destination) {
  int n = 0, rex = 0, size16 = 0;
  *operand = 0;
  if (f->prefix) code[n++] = f->prefix;
  else if (f->flags & ANY_SIZE && f->kind == INT && rnd() % 4 == 0) { code[n++] = 0x66; size16 = 1; }
  if (f->flags & STRING && rnd() % 2) { code[n++] = 0xf2 + rnd() % 2; s->r.rcx = rnd() % 20; }
  int w = !(f->flags & (BYTE_OP | NO_W | STACKOP)) && !size16 && rnd() % 2;
  int memory = !(f->flags & (NO_MODRM | REG_ONLY)) && (f->flags & MEM_ONLY || rnd() % 2);
  int reg = f->flags & DIGIT ? f->digit : rnd() % 16, rm = rnd() % 16, sib = memory && rnd() % 3 == 0;
  if (memory) while ((rm & 7) == 4) rm = rnd() % 16;
  int index = rnd() % 16;
  if (f->flags & NO_MODRM) reg = rm = 0;
  *destination = reg;
  rex = w << 3 | (reg >> 3) << 2 | (sib ? index >> 3 : 0) << 1 | rm >> 3;
  if (rex || rnd() % 8 == 0) code[n++] = 0x40 | rex;
  memcpy(code + n, f->opcode, f->length);
  n += f->length;
  if (!(f->flags & NO_MODRM)) {
    code[n++] = (memory ? 0x80 : 0xc0) | (reg & 7) << 3 | (sib ? 4 : rm & 7);
    int scale = rnd() % 4;
    if (sib) code[n++] = scale << 6 | (index & 7) << 3 | (rm & 7);
    if (memory) {
      int32_t disp = (int32_t)(rnd() % 0x20000) - 0x10000;
      uint64_t target = DATA + 0x100 + rnd() % 0x1e00;
      if (rnd() % 24 == 0) target = DATA + DATA_SIZE - 1 - rnd() % 8;
      else if (f->flags & ALIGNED && rnd() % 8) target &= ~15ull;
      if (sib && index != 4) {
        if (index != rm) *gpr(s, index) = rnd() % 0x100;
        else disp = 0;
      }
      *gpr(s, rm) = 0;
      uint64_t rest = target - (int64_t)disp - (sib && index != 4 ? *gpr(s, index) << scale : 0);
      *gpr(s, rm) = sib && index == rm ? rest / (1 + (1ull << scale)) : rest;
      *operand = target;
      memcpy(code + n, &disp, 4);
      n += 4;
    }
  }
  if (f->flags & IMM8) code[n++] = f->flags & (SHIFT | ROTATE) ? rnd() % 40 : rnd() % 4 ? rnd() : rnd() % 16;
  if (f->flags & IMM32) { uint32_t v = edge(); memcpy(code + n, &v, 4); n += 4; }
  if (f->flags & DIVIDE && rnd() % 4) { s->r.rdx = 0; }
  return n;
}

/** RFLAGS bits that are undefined after this shift or rotate. */
static unsigned shiftUndefined(const struct form *f, const struct state *s, const uint8_t *code, int length) {
  int wide = 0, bits = f->flags & BYTE_OP ? 8 : 32;
  for (int i = 0; i < length - 1 && (code[i] == 0x66 || (code[i] & 0xf0) == 0x40); i++) {
    if (code[i] == 0x66) bits = 16;
    else if (code[i] & 8) wide = 1;
  }
  if (wide && !(f->flags & BYTE_OP)) bits = 64;
  unsigned count = (f->flags & COUNT_CL ? s->r.rcx : code[length - 1]) & (bits == 64 ? 63 : 31);
  if (count == 0) return 0;
  if (f->flags & ROTATE) return count == 1 ? 0 : 0x800;
  return 0x10 | (count == 1 ? 0 : 0x800) | (f->digit != 7 && (int)count >= bits ? 1 : 0);
}

static void hex(const uint8_t *p, int n) {
  for (int i = 0; i < n; i++) printf("%02x", p[i]);
}
static void value128(const uint8_t *p) {
  for (int i = 15; i >= 0; i--) printf("%02x", p[i]);
}
/** Registers of `s`: those that differ from `base`, or from zero when there is none. */
static void registers(struct state *s, struct state *base) {
  const char *comma = "";
  for (int i = 0; i < 16; i++) {
    if (base ? *gpr(s, i) == *gpr(base, i) : *gpr(s, i) == 0) continue;
    printf("%s\"%s\":\"%016llx\"", comma, names[i], *gpr(s, i));
    comma = ",";
  }
  if (!base || s->r.rip != base->r.rip) { printf("%s\"rip\":\"%llx\"", comma, s->r.rip); comma = ","; }
  if (!base || s->r.eflags != base->r.eflags) { printf("%s\"rflags\":\"%llx\"", comma, s->r.eflags); comma = ","; }
  static const uint8_t zero[16];
  for (int i = 0; i < 16; i++) {
    const uint8_t *p = (uint8_t *)s->f.xmm_space + i * 16;
    if (!memcmp(p, base ? (uint8_t *)base->f.xmm_space + i * 16 : zero, 16)) continue;
    printf("%s\"xmm%d\":\"", comma, i);
    value128(p);
    printf("\"");
    comma = ",";
  }
  if (!base || s->f.mxcsr != base->f.mxcsr) printf("%s\"mxcsr\":\"%x\"", comma, s->f.mxcsr);
}
/** Runs of bytes that differ from `base`, or from zero. */
static void bytes(const uint8_t *p, const uint8_t *base, uint64_t at, const char **comma) {
  for (int i = 0; i < DATA_SIZE; i++) {
    int from = i;
    while (i < DATA_SIZE && p[i] != (base ? base[i] : 0)) i++;
    if (i == from) continue;
    printf("%s[\"%llx\",\"", *comma, (unsigned long long)at + from);
    hex(p + from, i - from);
    printf("\"]");
    *comma = ",";
  }
}

/** The exception behind a signal, or -1. */
static int exceptionOf(int sig, const siginfo_t *info) {
  switch (sig) {
    case SIGSEGV: return info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR ? 14 : 13;
    case SIGBUS: return info->si_code == BUS_ADRALN ? 17 : 12;
    case SIGILL: return 6;
    case SIGFPE: return info->si_code == FPE_INTDIV || info->si_code == FPE_INTOVF ? 0 : 19;
    default: return -1;
  }
}

int main(int argc, char **argv) {
  seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1;
  seed = seed * 0x9e3779b97f4a7c15ull + 1;
  int each = argc > 2 ? atoi(argv[2]) : 2;
  uint8_t *code = region(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC), *data = region(DATA, DATA_SIZE, PROT_READ | PROT_WRITE), *stack = region(STACK, DATA_SIZE, PROT_READ | PROT_WRITE);
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    _exit(0);
  }
  int status;
  waitpid(pid, &status, 0);
  struct state clean;
  get(pid, &clean);
  for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
    const struct form *f = &forms[k];
    for (int i = 0; i < each; i++) {
      struct state before = clean, after;
      for (int g = 0; g < 16; g++) *gpr(&before, g) = f->flags & STRING ? rnd() : edge();
      before.r.rsp = STACK + 0x1000 + (rnd() % 16) * 8;
      if (f->flags & STRING) { before.r.rsi = DATA + 0x200 + rnd() % 0x400; before.r.rdi = DATA + 0x800 + rnd() % 0x400; }
      before.r.rip = CODE + 0x100;
      before.r.eflags = 0x202 | (rnd() & USER_FLAGS);
      before.r.orig_rax = -1;
      memset(&before.f, 0, sizeof before.f);
      before.f.cwd = 0x37f;
      before.f.mxcr_mask = 0xffff;
      before.f.mxcsr = RESET_MXCSR;
      if (f->kind == SSE) before.f.mxcsr = RESET_MXCSR | (rnd() % 3 == 0 ? (rnd() & 3) << 13 : 0) | (rnd() % 4 == 0 ? rnd() & 0x8060 : 0) | (rnd() % 8 == 0 ? rnd() & 0x3f : 0);
      if (rnd() % 8 == 0) before.f.mxcsr &= ~(0x80 << rnd() % 6);
      if (f->kind == SSE) for (int x = 0; x < 32; x++) { uint64_t v = lane(); memcpy((uint8_t *)before.f.xmm_space + x * 8, &v, 8); }
      uint8_t text[16];
      uint64_t operand;
      int destination;
      memset(code, 0, CODE_SIZE);
      memset(data, 0, DATA_SIZE);
      memset(stack, 0, DATA_SIZE);
      int length = encode(f, &before, text, &operand, &destination);
      memcpy(code + 0x100, text, length);
      if (operand) for (int b = 0; b < 16; b += 8) { uint64_t v = f->kind == SSE ? lane() : edge(), at = operand + b; if (f->flags & STACKOP) v &= 0x7fffffff; if (at + 8 <= DATA + DATA_SIZE) memcpy(data + (at - DATA), &v, 8); }
      if (f->flags & STRING) for (int b = 0; b < 0x40; b += 8) { uint64_t v = rnd() & 0x0101010101010101; memcpy(data + (before.r.rsi - DATA) + b, &v, 8); if (rnd() % 2) memcpy(data + (before.r.rdi - DATA) + b, &v, 8); }
      if (f->flags & STACKOP) for (int b = -16; b < 32; b += 8) { uint64_t v = rnd() % 0x7fffffff; memcpy(stack + (0x1000 + b), &v, 8); }
      static uint8_t data0[DATA_SIZE], stack0[DATA_SIZE];
      memcpy(data0, data, DATA_SIZE);
      memcpy(stack0, stack, DATA_SIZE);
      if (ptrace(PTRACE_SETREGS, pid, 0, &before.r) || ptrace(PTRACE_SETFPREGS, pid, 0, &before.f)) continue; // e.g. a non-canonical RIP
      siginfo_t info;
      int sig, exception, steps = 0;
      // One step is one iteration of a REP instruction.
      do {
        if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) die("ptrace step");
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status)) { fprintf(stderr, "the traced child died at %s\n", f->name); return 1; }
        sig = WSTOPSIG(status);
        ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
        exception = sig == SIGTRAP ? -1 : exceptionOf(sig, &info);
        get(pid, &after);
      } while (exception < 0 && f->flags & STRING && after.r.rip == before.r.rip && ++steps < 64);
      before.r.eflags &= ~0x10100ull;
      after.r.eflags &= ~0x10100ull;
      unsigned undefined = f->undefined | (f->flags & (SHIFT | ROTATE) ? shiftUndefined(f, &before, text, length) : 0);
      printf("{\"n\":\"(%s)\",\"c\":\"", f->name);
      hex(text, length);
      printf("\",\"k\":\"%s\",\"b\":{", f->kind == INT ? "int" : "sse");
      registers(&before, 0);
      printf("},\"m\":[");
      const char *comma = "";
      bytes(data0, 0, DATA, &comma);
      bytes(stack0, 0, STACK, &comma);
      printf("],\"a\":{");
      registers(&after, &before);
      printf("},\"w\":[");
      comma = "";
      bytes(data, data0, DATA, &comma);
      bytes(stack, stack0, STACK, &comma);
      printf("],\"f\":");
      if (exception < 0) printf("null");
      else if (exception == 14) printf("{\"v\":14,\"a\":\"%llx\"}", (unsigned long long)info.si_addr);
      else printf("{\"v\":%d}", exception);
      if (undefined) printf(",\"u\":\"%x\"", undefined);
      // BSF and BSR of zero leave the destination undefined.
      if (f->flags & BITSCAN && after.r.eflags & 0x40) printf(",\"x\":[\"%s\"]", names[destination]);
      printf("}\n");
    }
  }
  kill(pid, SIGKILL);
  return 0;
}
