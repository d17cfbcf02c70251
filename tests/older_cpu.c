/* A process that is loaded with this takes its CPU for one without AVX-512, VNNI and AMX.
 *
 *     cc -O2 -shared -fPIC -o older_cpu.so older_cpu.c
 *     LD_PRELOAD=$PWD/older_cpu.so python ...
 *
 * Libraries choose their kernels by the instruction cpuid. Linux can have it fault
 * (arch_prctl(ARCH_CPUID_SET), where /proc/cpuinfo has the flag cpuid_fault); what it would have
 * said is then given without the bits of what is to be hidden. Threads and forks inherit that, and
 * a new program is loaded with this again.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CPUID_SET 0x1012 /* ARCH_CPUID_SET of asm/prctl.h, which older headers lack */
#define BIT(n) (1u << (n))

static void let(int allowed) { syscall(SYS_arch_prctl, CPUID_SET, (long)allowed); }

static void hide(uint32_t leaf, uint32_t part, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d) {
    if (leaf == 7 && part == 0) {
        /* F, DQ, IFMA, PF, ER, CD, BW, VL */
        *b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
        /* VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
        *c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
        /* 4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, FP16, AMX-TILE, AMX-INT8 */
        *d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25));
    } else if (leaf == 7 && part == 1) {
        *a &= ~(BIT(4) | BIT(5) | BIT(21) | BIT(23));  /* AVX-VNNI, BF16, AMX-FP16, AVX-IFMA */
        *d &= ~(BIT(4) | BIT(5) | BIT(10) | BIT(19));  /* VNNI-INT8, NE-CONVERT, VNNI-INT16, AVX10 */
    } else if (leaf == 0x1d || leaf == 0x1e || leaf == 0x24) { /* AMX's tiles, AVX10 */
        *a = *b = *c = *d = 0;
    }
}

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    (void)number, (void)info;
    if (code[0] != 0x0f || code[1] != 0xa2) { /* a true fault */
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    uint32_t a = registers[REG_RAX], b, c = registers[REG_RCX], d, leaf = a, part = c;
    let(1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    let(0);
    hide(leaf, part, &a, &b, &c, &d);
    registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void start(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, 0);
    let(0);
}
