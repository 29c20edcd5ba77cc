/*
 * What a test driver says about itself. README.md has the rules; suite.ts reads the lines.
 */
#ifndef KTEST_H
#define KTEST_H

/* Which case of the driver runs: the suite writes the value into the file before it loads it (directive "ktest: cases=N"). */
static volatile struct
{
    char Marker[16];
    ULONG Case;
    ULONG Processors;
} KtestSetup = {"KTEST-SETUP-HERE", 0, 1};
#define KtestCase (KtestSetup.Case)
#define KtestProcessors (KtestSetup.Processors)

static __attribute__((unused)) VOID KtestBegin(const char *Name)
{
    DbgPrint("KTEST begin %s\n", Name);
}

static __attribute__((unused, noinline)) BOOLEAN KtestReport(const char *Routine, const char *Outcome, BOOLEAN Passed, ULONG Line)
{
    if (Passed)
        DbgPrint("KTEST pass %s|%s\n", Routine, Outcome);
    else
        DbgPrint("KTEST FAIL %s|%s (line %lu)\n", Routine, Outcome, Line);
    return Passed;
}

/* The documented outcome of the routine was seen if the condition holds; it is a failure if it does not. Gives the condition. */
#define OUTCOME(routine, outcome, condition) KtestReport(#routine, outcome, (condition) ? TRUE : FALSE, __LINE__)

/* Something that must hold and is no documented outcome of one routine. */
#define CHECK(condition) \
    do                   \
    {                    \
        if (!(condition)) \
            DbgPrint("KTEST FAIL |%s (line %lu)\n", #condition, (ULONG)__LINE__); \
    } while (0)

/* What comes next is to stop the machine with this bug check. The case ends there. */
#define OUTCOME_BUGCHECK(routine, outcome, code) DbgPrint("KTEST stop %s|%s|%lx\n", #routine, outcome, (ULONG)(code))

/* What comes next is to end the machine so: "off", "reset" or "halted" (a processor stands still with interrupts off). The script of the driver says how it ended. */
#define OUTCOME_END(routine, outcome, how) DbgPrint("KTEST end %s|%s|%s\n", #routine, outcome, how)

/* Everything ran. A driver that never says so has failed. */
static __attribute__((unused)) VOID KtestDone(VOID)
{
    DbgPrint("KTEST done\n");
}

#endif
