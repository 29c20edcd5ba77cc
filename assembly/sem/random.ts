// RDRAND, RDSEED and RDPID.

import { TSC_AUX } from '../core/layout';
import { nextRandom } from '../core/random';

export function rdrand<T>(cpu: usize): T { return <T>nextRandom(cpu); }
export function rdseed<T>(cpu: usize): T { return <T>nextRandom(cpu); }
/** IA32_TSC_AUX, without a look at CR4.TSD. */
export function rdpid<T>(cpu: usize): T { return <T>load<u32>(cpu, TSC_AUX); }
