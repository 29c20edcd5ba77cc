import type { Form } from './tables.ts';
import type { Operand } from './operands.ts';
import { registerField } from './text.ts';

// Wrappers of the forms that are not in the switch: functions (cpu, ip) that fetch operands by core/operand.ts, call, write back.

/** Text of the body of a cold form's wrapper; forms with the same text share one function. A raw form without type needs none: its function is the entry. */
export function coldBody(f: Form): string {
  if (f.exec.kind === 'raw') return `${f.exec.name}${f.exec.types ? `<${f.exec.types}>` : ''}(cpu, ip);`;
  return f.exec.kind === 'vec' ? vectorBody(f) : valueBody(f);
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
