import type { ImageDescription } from '../imageinfo.ts';

const hex = (v: number): string => `0x${v.toString(16)}`;

/** `kmode info` as a person reads it. */
export function infoText(info: ImageDescription): string {
  const lines = [
    `${info.file}: PE32+ driver, image base ${info.imageBase}, ${hex(info.sizeOfImage)} bytes, entry at ${hex(info.entry)}, ${info.relocations} relocations`,
    '',
    'sections',
    ...info.sections.map(
      s =>
        `  ${s.name.padEnd(9)} ${hex(s.rva).padStart(8)} ${hex(s.size).padStart(8)}  ${s.access}${s.discardable ? '  discarded after DriverEntry' : ''}`,
    ),
  ];
  let missing = 0,
    partial = 0,
    total = 0;
  for (const m of info.imports) {
    lines.push('', m.module);
    for (const r of m.routines) {
      total++;
      if (r.status === null) missing++;
      if (r.status === 'partial') partial++;
      lines.push(`  ${r.status === null ? 'absent ' : r.status === 'partial' ? 'partial' : '       '} ${r.name}`);
    }
  }
  lines.push(
    '',
    total === 0
      ? 'It imports nothing.'
      : `${total} imports: ${total - missing - partial} here, ${partial} in part, ${missing} absent${missing > 0 ? ' (the driver loads; a call of an absent routine stops the machine and names it)' : ''}.`,
  );
  return lines.join('\n');
}
