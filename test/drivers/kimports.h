/*
 * Routines that ntoskrnl exports and that the headers also have inline, for x64: by these names the driver calls the exports.
 */
#ifndef KIMPORTS_H
#define KIMPORTS_H

KIRQL NTAPI NtGetCurrentIrql(VOID) __asm__("KeGetCurrentIrql");
VOID NTAPI NtLowerIrql(KIRQL NewIrql) __asm__("KeLowerIrql");
KIRQL NTAPI NtRaiseIrqlToDpcLevel(VOID) __asm__("KeRaiseIrqlToDpcLevel");
KIRQL NTAPI NtfRaiseIrql(KIRQL NewIrql) __asm__("KfRaiseIrql");
PKTHREAD NTAPI NtGetCurrentThread(VOID) __asm__("KeGetCurrentThread");

#endif
