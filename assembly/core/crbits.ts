// Bits of CR0, CR4 and IA32_EFER (SDM vol. 3, 2.2.1 and 2.5). This module imports nothing, so that its constants can be used everywhere.

export const CR0_PE: u64 = 1, CR0_MP: u64 = 2, CR0_EM: u64 = 4, CR0_TS: u64 = 8, CR0_ET: u64 = 16, CR0_NE: u64 = 0x20, CR0_WP: u64 = 0x10000, CR0_AM: u64 = 0x40000, CR0_NW: u64 = 0x20000000, CR0_CD: u64 = 0x40000000, CR0_PG: u64 = 0x80000000;
export const CR4_VME: u64 = 1, CR4_PVI: u64 = 2, CR4_TSD: u64 = 4, CR4_DE: u64 = 8, CR4_PSE: u64 = 0x10, CR4_PAE: u64 = 0x20, CR4_MCE: u64 = 0x40, CR4_PGE: u64 = 0x80, CR4_PCE: u64 = 0x100, CR4_OSFXSR: u64 = 0x200, CR4_OSXMMEXCPT: u64 = 0x400, CR4_UMIP: u64 = 0x800, CR4_FSGSBASE: u64 = 0x10000, CR4_PCIDE: u64 = 0x20000, CR4_OSXSAVE: u64 = 0x40000, CR4_SMEP: u64 = 0x100000, CR4_SMAP: u64 = 0x200000, CR4_PKE: u64 = 0x400000, CR4_PKS: u64 = 0x1000000;
export const EFER_SCE: u64 = 1, EFER_LME: u64 = 0x100, EFER_LMA: u64 = 0x400, EFER_NXE: u64 = 0x800;
