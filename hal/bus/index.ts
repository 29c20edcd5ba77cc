export * from './memory.ts';
export * from './cpu.ts';
export * from './device.ts';
export * from './pagestore.ts';
export * from './requests.ts';
export * from './guestos.ts';
