/** Which of the processor's privileges and modes a form needs; the default is any. */
export type FormMode = 'any' | '64' | 'not64';

/** What a record says about an instruction form besides its encoding and syntax. */
export interface FormInfo {
  /** Access and kind of each operand in syntax order: `rw:rm`, `r:reg`, `w:rm`, `r:imm8`, `r:imm8s`, `r:imm32s`, `r:al`, `r:cl`, `r:1`, `rw:xmm`, `r:xmm/m`, ... */
  ops?: string;
  /** `r=` flags read, `w=` flags written (oszapc), `u=` left undefined. */
  flags?: string;
  /** LOCK is legal when the destination is memory. */
  lock?: boolean;
  /** What runs: `name<u64>`, `vec:name`, or `raw:name`. See assembly/README.md. */
  exec: string;
  /** Cycles under the `flat` timing model. */
  cycles: number;
  /** A case of the dense switch. */
  hot?: boolean;
  /** Ends a block: changes RIP, CPL, mode, IF, CR8, or talks to a port. */
  ends?: boolean;
  /** Faults with #GP unless CPL is 0. */
  cpl0?: boolean;
  mode?: FormMode;
  /** CPUID feature that announces it, as the SDM names it (`BMI1`, `SSE2`). */
  cpuid?: string;
  /** Memory operand must be aligned to this many bytes (#GP otherwise). */
  align?: number;
}

/** One instruction form: the single place where it is written down. */
export interface InsnForm extends FormInfo {
  /** The encoding as the Intel SDM writes it: `REX.W 01 /r`, `66 0F 6F /r`, `0F 01 C1`, `F3 0F B8 /r`, `VEX.LZ.0F38.W1 F2 /r`, `50+rd`, `0F 80 cd`, `NP 0F 58 /r`, `48 /digit ib`. */
  encoding: string;
  /** Intel syntax: mnemonic and operand kinds, as the SDM writes them. */
  syntax: string;
}

/** Writes down an instruction form. */
export function insn(encoding: string, syntax: string, info: FormInfo): InsnForm {
  return { encoding, syntax, ...info };
}
