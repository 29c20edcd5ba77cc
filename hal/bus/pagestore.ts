/** The page store: the paging file's place, a device that keeps pages of memory by number. The machine has no disk; this is what is left of one for the memory manager. */

/** First I/O port; all registers are 32 bits wide. */
export const PAGE_STORE_BASE = 0x620;
export const PAGE_STORE_LENGTH = 0x14;
/** Reads {@link PAGE_STORE_IDENT}. */
export const PS_IDENT = 0x00;
/** How many slots there are; slot 0 is never used, so that a page-table entry with a slot is not zero. */
export const PS_SLOTS = 0x04;
/** The slot, and the page frame number in RAM, that a command is about. */
export const PS_SLOT = 0x08,
  PS_PAGE = 0x0c;
export const PS_COMMAND = 0x10;

/** 'kmps', little endian. */
export const PAGE_STORE_IDENT = 0x73706d6b;
/** RAM to slot; slot to RAM; the slot is empty from now on. */
export const PAGE_STORE_WRITE = 1,
  PAGE_STORE_READ = 2,
  PAGE_STORE_DISCARD = 3;
