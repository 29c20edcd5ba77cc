// Runs instruction cases on the processor of this machine, in batches (see host.ts for the protocol and case.ts for the layout).
//
//   gcc -O2 -o host host.c && ./host CASES RESULTS COMMANDS ANSWERS
//
// There is no single-stepping: the code page is filled with INT3, so that a case runs until it raises an exception. The signal handler writes
// down the state that the kernel saved, puts the next case's state in its place and returns into it: one signal is all that a case costs.

#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>
#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#define CODE 0x10000000ull
#define DATA 0x20000000ull
#define STACK 0x30000000ull
#define CODE_SIZE 0x1000
#define DATA_SIZE 0x2000
#define LINE 64
#define STATE_SIZE 0x330
#define CODE_BYTES 112
#define USER_CS 0x33
#define USER_CS32 0x23
#define USER_DS 0x2b
#define LDT_CS16 0x07
#define MODE_32 1
#define MODE_16 2

// The state image of test/vectors/state.ts.
struct image {
  uint64_t gpr[16], rip, rflags, fsbase, gsbase;
  uint32_t mxcsr;
  uint16_t fcw, fsw;
  uint8_t ftw, pad[7];
  uint8_t ymm[16][32];
  uint8_t st[8][16];
};
_Static_assert(sizeof(struct image) == STATE_SIZE, "state image");

struct line {
  uint32_t address, pad;
  uint8_t bytes[LINE];
};
struct test {
  struct image state;
  uint16_t lines, mode;
  uint32_t codeLength, pad[2];
  uint8_t code[CODE_BYTES]; // at state.rip
  struct line line[];       // of DATA and STACK; the rest of both is zero
};
struct result {
  struct image state;
  uint32_t lines, exception; // exception: vector, 0x100 for a case that did not end
  uint64_t cr2;
  uint32_t error;
  uint16_t es, cs, ss, ds, fs, gs;
  uint64_t fip, fdp;
  uint32_t fop, pad;
  struct line line[]; // lines that are not zero
};

// What the kernel puts behind the 512 bytes of FXSAVE in a signal frame (SDM vol. 1, 13.4).
struct xsave {
  uint16_t fcw, fsw;
  uint8_t ftw, pad;
  uint16_t fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsrMask;
  uint8_t st[8][16], xmm[16][16], pad2[48];
  uint8_t software[48];
  uint64_t present, compact, reserved[6];
  uint8_t upper[16][16];
};
_Static_assert(offsetof(struct xsave, present) == 512 && offsetof(struct xsave, upper) == 576, "XSAVE area");

static uint8_t *code, *data, *stack; // second mappings of the three regions, all writable
static const uint8_t *cases;
static uint8_t *results;
// The handler changes these during a system call that the compiler thinks knows nothing of them.
static const uint8_t *volatile next;
static uint8_t *volatile out;
static volatile uint32_t remaining, number, lastTick, lastReal;
static ucontext_t home;
static uint8_t homeFp[16384];
static size_t fpSize;
static volatile int started;
uint64_t libraryFs, testFs, testGs;
uint16_t selectors[4]; // ES DS FS GS, as the case left them and as the next one wants them

static void die(const char *what) {
  perror(what);
  _exit(1);
}

static uint8_t *region(uint64_t at, size_t size, int protection) {
  int fd = memfd_create("region", 0);
  if (fd < 0 || ftruncate(fd, size)) die("memfd");
  uint8_t *writable = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (writable == MAP_FAILED) die("mmap");
  memset(writable, 1, size);
  memset(writable, 0, size);
  void *p = mmap((void *)at, size, protection, MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd, 0);
  if (p != (void *)at) die("mmap of a region");
  mlock(writable, size);
  mlock(p, size);
  return writable;
}

/** Nonzero lines of a region go to the result; the region is zero afterwards. */
static uint32_t collect(uint8_t *bytes, uint64_t at) {
  uint32_t count = 0;
  for (int i = 0; i < DATA_SIZE; i += LINE) {
    const uint64_t *w = (const uint64_t *)(bytes + i);
    if (!(w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])) continue;
    struct line *l = (struct line *)out;
    l->address = at + i;
    l->pad = 0;
    memcpy(l->bytes, bytes + i, LINE);
    memset(bytes + i, 0, LINE);
    out += sizeof *l;
    count++;
  }
  return count;
}

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void finish(const ucontext_t *uc, int timeout) {
  const greg_t *g = uc->uc_mcontext.gregs;
  const struct xsave *x = (const struct xsave *)uc->uc_mcontext.fpregs;
  struct result *r = (struct result *)out;
  for (int i = 0; i < 16; i++) r->state.gpr[i] = g[order[i]];
  r->state.rip = g[REG_RIP];
  r->state.rflags = g[REG_EFL] & ~0x10000ull; // RF belongs to the delivery
  r->state.fsbase = testFs;
  r->state.gsbase = testGs;
  r->state.mxcsr = x->mxcsr;
  r->state.fcw = x->fcw;
  r->state.fsw = x->fsw;
  r->state.ftw = x->ftw;
  memset(r->state.pad, 0, sizeof r->state.pad);
  for (int i = 0; i < 16; i++) {
    memcpy(r->state.ymm[i], x->xmm[i], 16);
    if (x->present & 4) memcpy(r->state.ymm[i] + 16, x->upper[i], 16);
    else memset(r->state.ymm[i] + 16, 0, 16);
  }
  memset(r->state.st, 0, sizeof r->state.st);
  for (int i = 0; i < 8; i++) memcpy(r->state.st[i], x->st[i], 10);
  r->exception = timeout ? 0x100 : g[REG_TRAPNO];
  // The kernel sets P for addresses of its own, so that nobody learns what is mapped there.
  r->cr2 = r->exception == 14 ? g[REG_CR2] : 0;
  r->error = r->exception == 14 && r->cr2 >= 0x7ffffffff000 ? g[REG_ERR] | 1 : g[REG_ERR];
  r->cs = (uint64_t)g[REG_CSGSFS] & 0xffff;
  r->ss = (uint64_t)g[REG_CSGSFS] >> 48;
  r->es = selectors[0];
  r->ds = selectors[1];
  r->fs = selectors[2];
  r->gs = selectors[3];
  r->fip = x->fip;
  r->fdp = x->fdp;
  r->fop = x->fop;
  r->pad = 0;
  out += sizeof *r;
  r->lines = collect(data, DATA);
  r->lines += collect(stack, STACK);
}

static void begin(ucontext_t *uc) {
  static uint32_t dirtyFrom, dirtyTo;
  greg_t *g = uc->uc_mcontext.gregs;
  struct xsave *x = (struct xsave *)uc->uc_mcontext.fpregs;
  const struct test *t = (const struct test *)next;
  for (int i = 0; i < 16; i++) g[order[i]] = t->state.gpr[i];
  g[REG_RIP] = t->state.rip;
  g[REG_EFL] = t->state.rflags;
  uint64_t cs = t->mode == MODE_32 ? USER_CS32 : t->mode == MODE_16 ? LDT_CS16 : USER_CS;
  g[REG_CSGSFS] = cs | (uint64_t)USER_DS << 48;
  testFs = t->state.fsbase;
  testGs = t->state.gsbase;
  for (int i = 0; i < 4; i++) selectors[i] = USER_DS;
  x->fcw = t->state.fcw;
  x->fsw = t->state.fsw;
  x->ftw = t->state.ftw;
  x->fop = 0;
  x->fip = x->fdp = 0;
  x->mxcsr = t->state.mxcsr;
  memcpy(x->st, t->state.st, sizeof x->st);
  for (int i = 0; i < 16; i++) {
    memcpy(x->xmm[i], t->state.ymm[i], 16);
    memcpy(x->upper[i], t->state.ymm[i] + 16, 16);
  }
  x->present = (x->present & ~0xffull) | 7;
  memset(code + dirtyFrom, 0xcc, dirtyTo - dirtyFrom);
  dirtyFrom = t->state.rip & (CODE_SIZE - 1);
  dirtyTo = dirtyFrom + t->codeLength;
  if (dirtyTo > CODE_SIZE) dirtyTo = CODE_SIZE;
  memcpy(code + dirtyFrom, t->code, dirtyTo - dirtyFrom);
  for (int i = 0; i < t->lines; i++) memcpy((t->line[i].address >= STACK ? stack + (t->line[i].address - STACK) : data + (t->line[i].address - DATA)), t->line[i].bytes, LINE);
  next += sizeof *t + t->lines * sizeof(struct line);
  number++;
  remaining--;
}

/** A case has ended, or (SIGUSR1) a batch starts, or (SIGVTALRM, SIGALRM) time has passed. */
void handle(int sig, siginfo_t *info, ucontext_t *uc) {
  (void)info;
  if (sig == SIGUSR1) {
    memcpy(&home, uc, sizeof home);
    const uint8_t *fp = (const uint8_t *)uc->uc_mcontext.fpregs;
    fpSize = *(const uint32_t *)(fp + 464 + 4); // extended_size of the kernel's struct _fpx_sw_bytes
    if (fpSize > sizeof homeFp) die("FP frame");
    memcpy(homeFp, fp, fpSize);
    started = 1;
  } else if (sig == SIGVTALRM) {
    if (!started || number != lastTick) {
      lastTick = number;
      return;
    }
    finish(uc, 1);
  } else if (sig == SIGALRM) {
    if (!started || number != lastReal) {
      lastReal = number;
      return;
    }
    finish(uc, 1);
  } else {
    if (!started) _exit(3);
    finish(uc, 0);
  }
  if (remaining > 0) {
    begin(uc);
    return;
  }
  started = 0;
  uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;
  memcpy(uc->uc_mcontext.gregs, home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  memcpy(fp, homeFp, fpSize);
  testFs = libraryFs;
  testGs = 0;
  memset(selectors, 0, sizeof selectors);
}

// The kernel enters with the case's AC flag, segment registers and bases; ID and NT would be left for the next case.
void entry(int, siginfo_t *, void *);
__asm__(".globl entry\nentry:\n"
        "pushfq\n andl $~0x244000, (%rsp)\n popfq\n"
        "mov %es, selectors(%rip)\n mov %ds, selectors+2(%rip)\n mov %fs, selectors+4(%rip)\n mov %gs, selectors+6(%rip)\n"
        "rdfsbase %rax\n mov %rax, testFs(%rip)\n rdgsbase %rax\n mov %rax, testGs(%rip)\n"
        "mov libraryFs(%rip), %rax\n wrfsbase %rax\n"
        "sub $8, %rsp\n call handle\n add $8, %rsp\n"
        "mov selectors(%rip), %es\n mov selectors+2(%rip), %ds\n mov selectors+4(%rip), %fs\n mov selectors+6(%rip), %gs\n"
        "mov testFs(%rip), %rax\n wrfsbase %rax\n mov testGs(%rip), %rax\n wrgsbase %rax\n"
        "ret\n");

/** From here on only the system calls that the loop in main makes: a case may come upon SYSCALL or INT 80h by chance, and then nothing must happen. */
static void confine(int commands, int answers) {
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1)
  struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    REFUSE,
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 0, 1),
    ALLOW,
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 1),
    ALLOW,
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
    ALLOW,
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 4),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)commands, 0, 1),
    ALLOW,
    REFUSE,
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)answers, 0, 1),
    ALLOW,
    REFUSE,
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("seccomp");
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int in = open(argv[1], O_RDONLY), result = open(argv[2], O_RDWR), commands = open(argv[3], O_RDONLY), answers = open(argv[4], O_WRONLY);
  if (in < 0 || result < 0 || commands < 0 || answers < 0) die("open");
  size_t inSize = lseek(in, 0, SEEK_END), outSize = lseek(result, 0, SEEK_END);
  cases = mmap(0, inSize, PROT_READ, MAP_SHARED, in, 0);
  results = mmap(0, outSize, PROT_READ | PROT_WRITE, MAP_SHARED, result, 0);
  if (cases == MAP_FAILED || results == MAP_FAILED) die("mmap of the batch");
  code = region(CODE, CODE_SIZE, PROT_READ | PROT_EXEC);
  data = region(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
  stack = region(STACK, DATA_SIZE, PROT_READ | PROT_WRITE);
  memset(code, 0xcc, CODE_SIZE);
  // A 16-bit code segment over the code page; data segments of 16-bit cases are the flat ones.
  if (argc > 5) {
    struct user_desc d = {.entry_number = 0, .base_addr = CODE, .limit = 0xffff, .seg_32bit = 0, .contents = MODIFY_LDT_CONTENTS_CODE, .useable = 1};
    syscall(SYS_modify_ldt, 1, &d, sizeof d);
  }
  __asm__("rdfsbase %0" : "=r"(libraryFs));
  static uint8_t alternate[262144] __attribute__((aligned(64)));
  stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
  if (sigaltstack(&ss, 0)) die("sigaltstack");
  struct sigaction sa = {.sa_sigaction = entry, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&sa.sa_mask);
  const int signals[] = {SIGUSR1, SIGVTALRM, SIGALRM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &sa, 0);
  // Of this process's own time, so that a busy machine makes no case endless.
  struct itimerval timer = {{0, 10000}, {0, 10000}};
  setitimer(ITIMER_VIRTUAL, &timer, 0);
  // But Linux lets a process sleep for each LOCK across two cache lines (split_lock_detect): a loop around one takes no time of its own;
  // and an #AC with EFLAGS.AC clear that is none of these (IRET) it takes for one, again and again.
  struct itimerval real = {{0, 250000}, {0, 250000}};
  setitimer(ITIMER_REAL, &real, 0);
  const pid_t process = getpid(), thread = gettid();
  confine(commands, answers);
  uint32_t count;
  for (;;) {
    ssize_t n = read(commands, &count, 4);
    if (n < 0) continue; // the timer
    if (n != 4) return 0;
    next = cases;
    out = results;
    remaining = count;
    if (count) syscall(SYS_tgkill, process, thread, SIGUSR1);
    uint32_t size = out - results;
    while (write(answers, &size, 4) != 4) {}
  }
}
