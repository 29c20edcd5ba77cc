import type { Form } from './tables.ts';
import type { Operand } from './operands.ts';
import { registerField } from './text.ts';

// Wrappers of the forms that are not in the switch: functions (cpu, ip) that fetch operands by core/operand.ts, call, write back.

/** Text of the body of a cold form's wrapper; forms with the same text share one function. A raw form without type needs none: its function is the entry. */
export function coldBody(f: Form): string {
  if (f.exec.kind === 'raw') return `${f.exec.name}${f.exec.types ? `<${f.exec.types}>` : ''}(cpu, ip);`;
  return f.exec.kind === 'vec' ? vectorBody(f) : f.exec.kind === 'vex' ? vexBody(f) : valueBody(f);
}

const isRegister = (o: Operand): boolean => ['reg', 'op', 'vvvv', 'acc', 'cl', 'dx'].includes(o.place);
const isConstant = (o: Operand): boolean => /^(imm|1$)/.test(o.place);

function valueBody(f: Form): string {
  let text = '';
  const args = ['cpu'];
  f.operands.forEach((o, i) => {
    const name = `a${i}`,
      field = registerField(i);
    if (isRegister(o)) {
      if (!o.read) return;
      text += `const ${name} = load<${o.type}>(cpu + <usize>load<u8>(ip, ${field})); `;
    } else if (o.place === 'rm') {
      if (!o.read) return;
      text += `const ${name} = ${o.write ? 'rmForWrite' : 'rm'}<${o.type}>(cpu, ip, ${field}); if (trap) return; `;
    } else if (o.place === 'm' || o.place === 'moffs') {
      if (!o.read) return;
      text += `const ${name} = ${o.write ? 'memoryForWrite' : 'memory'}<${o.type}>(cpu, ip); if (trap) return; `;
    } else if (isConstant(o)) text += `const ${name} = load<${o.type}>(ip, 16); `;
    else if (o.place === 'ea') text += `const ${name} = ea(cpu, ip); `;
    else throw new Error(`${f.record.syntax}: a value form cannot have operand ${o.place}`);
    args.push(name);
  });
  if (f.record.cc !== undefined) args.push('<u32>load<u8>(ip, 13)');
  const call = `${f.exec.name}${f.exec.types ? `<${f.exec.types}>` : ''}(${args.join(', ')})`;
  const at = f.operands.findIndex(o => o.write);
  if (at < 0) return `${text}${call};`;
  if (f.operands.filter(o => o.write).length > 1)
    throw new Error(`${f.record.syntax}: a value form writes one operand; use raw:`);
  const o = f.operands[at],
    field = registerField(at);
  if (isRegister(o)) return `${text}setRegister<${o.type}>(cpu, <usize>load<u8>(ip, ${field}), ${call});`;
  return o.place === 'rm'
    ? `${text}setRm<${o.type}>(cpu, ip, ${field}, ${call});`
    : `${text}setMemory<${o.type}>(cpu, ip, ${call});`;
}

/** Text of a VEX form: the 128-bit function on each lane of a copy of the destination, which is written when nothing faulted. */
function vexBody(f: Form): string {
  const fail = (why: string): never => {
    throw new Error(`${f.record.syntax}: ${why}`);
  };
  const two = f.encoding.accept.l === 2,
    { source = 16, result = 16, immediate = 0, fp = false, once = false } = f.record.lanes ?? {};
  const pointers = f.operands.map((o, i) => {
    const number = `<usize>load<u8>(ip, ${registerField(i)})`;
    if (o.place === 'is4') return 'cpu + XMM + (load<usize>(ip, 16) << 5)';
    if (o.place === 'reg' || o.place === 'vvvv' || o.place === 'rm') return `cpu + ${number}`;
    return `cpu + XMM + (${number} << 5)`;
  });
  const [target] = f.operands;
  if (!target.write || f.operands.some((o, i) => o.write && i > 0)) fail('a vex: form writes its first operand');
  // What the function finds in its destination: the old one, the register that VEX.vvvv names, or for a shift (whose destination is that) its source.
  const first = target.read ? 0 : target.place === 'xmmv' ? 1 : f.operands.findIndex(o => o.place === 'xmmv');
  let text = '';
  const args: string[] = [];
  f.operands.forEach((o, i) => {
    if (i === 0 || i === first) return;
    if (o.place === 'imm8') {
      text += 'const imm = <u32>load<u8>(ip, 16); ';
      args.push('imm');
      return;
    }
    const memory = `vectorMemory(cpu, ip, ${o.bytes}, ${f.record.align ?? 1}, 1)`;
    if (/m$/.test(o.place) && o.bytes === 0) fail(`the syntax does not say how wide operand ${i + 1} is`);
    if (o.place === 'm') text += `const p${i} = ${memory}; if (trap) return; `;
    else if (o.place === 'xmm/m' || o.place === 'rm')
      text += `let p${i} = ${pointers[i]}; if (isMemory(ip)) { p${i} = ${memory}; if (trap) return; } `;
    else text += `const p${i} = ${pointers[i]}; `;
    args.push(`p${i}`);
  });
  // A store that faults comes before the arithmetic.
  if (fp && target.place === 'xmm/m') text += `if (isMemory(ip) && !probe(cpu, ea(cpu, ip), ${target.bytes}, 1)) return; `;
  text += 'const t = cpu + RESULT; ';
  if (first >= 0) {
    text += `const p${first} = ${pointers[first]}; v128.store(t, v128.load(p${first})); `;
    if (two) text += `v128.store(t, v128.load(p${first}, 16), 16); `;
  }
  const lane = (n: number): string =>
    `${f.exec.name}${f.exec.types ? `<${f.exec.types}>` : ''}(cpu, t${n ? ` + ${result}` : ''}${args
      .map(
        a =>
          `, ${a}${n === 0 ? '' : a === 'imm' ? (immediate ? ` >> ${immediate}` : '') : /^p/.test(a) && source ? ` + ${isLast(a) ? source : 16}` : ''}`,
      )
      .join('')}${f.record.cc === undefined ? '' : `, ${f.record.cc}`}); `;
  // Only the operand that may be in memory has a stride of its own.
  const isLast = (a: string): boolean => ['xmm/m', 'm', 'rm', 'xmm/r'].includes(f.operands[Number(a.slice(1))].place);
  if (two && fp) text += 'lanesBegin(); ';
  text += lane(0);
  if (two && !once) text += lane(1);
  text += two && fp ? 'if (lanesFault(cpu)) return; ' : 'if (trap) return; ';
  const wide = two && result === 16;
  if (target.place === 'xmm/m')
    text += `if (isMemory(ip)) { storeResult(cpu, ip, ${target.bytes}, ${f.record.align ?? 1}); return; } `;
  if (target.place === 'm') return `${text}storeResult(cpu, ip, ${target.bytes}, ${f.record.align ?? 1});`;
  return `${text}writeVector(${pointers[0]}, t, ${wide});`;
}

function vectorBody(f: Form): string {
  let text = '',
    after = '';
  const args = ['cpu'];
  f.operands.forEach((o, i) => {
    const name = `p${i}`,
      field = registerField(i),
      number = `<usize>load<u8>(ip, ${field})`;
    const vector = `cpu + XMM + (${number} << 5)`,
      general = `cpu + ${number}`;
    const memory = `vectorMemory(cpu, ip, ${o.bytes}, ${f.record.align ?? 1}, ${o.read ? (o.write ? 2 : 1) : 0})`;
    switch (o.place) {
      case 'xmm':
      case 'xmmv':
      case 'xmm/r':
        text += `const ${name} = ${vector}; `;
        break;
      case 'xmm0':
        text += `const ${name} = cpu + XMM; `;
        break;
      case 'reg':
      case 'vvvv':
        text += `const ${name} = ${general}; `;
        break;
      case 'mm':
      case 'mm/r':
        text += `const ${name} = cpu + ST + ((${number} & 7) << 4); `;
        break;
      case 'xmm/m':
      case 'mm/m':
      case 'rm': {
        const register = o.place === 'xmm/m' ? vector : o.place === 'rm' ? general : `cpu + ST + ((${number} & 7) << 4)`;
        text += `let ${name} = ${register}; if (isMemory(ip)) { ${name} = ${memory}; if (trap) return; } `;
        if (o.write) after += `if (isMemory(ip)) storeVector(cpu, ip, ${o.bytes}); `;
        break;
      }
      case 'm':
        text += `const ${name} = ${memory}; if (trap) return; `;
        if (o.write) after += `storeVector(cpu, ip, ${o.bytes}); `;
        break;
      default:
        if (!isConstant(o)) throw new Error(`${f.record.syntax}: a vec: form cannot have operand ${o.place}`);
        args.push('<u32>load<u8>(ip, 16)');
        return;
    }
    if (/m$|^rm$/.test(o.place) && o.place !== 'xmm' && o.place !== 'mm' && o.bytes === 0)
      throw new Error(`${f.record.syntax}: the syntax does not say how wide operand ${i + 1} is`);
    args.push(name);
  });
  const call = `${f.exec.name}(${args.join(', ')});`;
  // MMX registers are the x87's: its pending exception comes before everything, its stack is marked when all is done.
  const at = f.operands.findIndex(o => o.write && o.place.startsWith('mm'));
  if (at >= 0) after = `mmxWritten(p${at}); ${after}`;
  if (f.operands.some(o => o.place.startsWith('mm')))
    return `if (mmxWaits(cpu)) return; ${text}${call} if (trap) return; ${after}if (!trap) mmxEnter(cpu);`;
  return `${text}${call}${after ? ` if (trap) return; ${after}` : ''}`;
}
