// Everything the core asks of its host: the only imports besides memory.

/** Reads `size` bytes (1, 2, 4) from an I/O port. */
@external('env', 'portIn') export declare function portIn(port: u32, size: u32): u32;
/** Writes `size` bytes (1, 2, 4) to an I/O port. */
@external('env', 'portOut') export declare function portOut(port: u32, size: u32, value: u32): void;
/** Reads `size` bytes (1, 2, 4, 8) at a physical address that is neither RAM nor an APIC; the upper half of 8 goes through `setMmioHigh`. */
@external('env', 'mmioRead') export declare function mmioRead(pa: u32, size: u32): u32;
/** Writes `size` bytes (1, 2, 4, 8) at a physical address that is neither RAM nor an APIC. */
@external('env', 'mmioWrite') export declare function mmioWrite(pa: u32, size: u32, lo: u32, hi: u32): void;
/** The processor acknowledges an external interrupt: the vector, from the 8259. */
@external('env', 'interruptAcknowledge') export declare function interruptAcknowledge(): u32;
/** The x87's error output FERR# with CR0.NE clear: 1 when a waiting instruction finds an exception pending, 0 when none is pending any more. */
@external('env', 'ferr') export declare function ferr(level: u32): void;
/** Something happened that a trace shows; only while `setTracing(1)`. See EVENT_* in events.ts. */
@external('env', 'event') export declare function event(kind: u32, cpu: u32, a: u32, b: u32): void;
