import { readFileSync } from 'node:fs';
import { parseArguments, USAGE, UsageError } from './args.ts';
import { BOOT_BAD, bootGuest } from './boot.ts';
import { BOOT_USAGE } from './bootargs.ts';
import { infoReport } from './info.ts';
import { infoText } from './infotext.ts';
import { InputError } from './input.ts';
import { RunError, runDriver, runText } from './run.ts';

// Exit status: 0 done, 1 wrong usage or bad file, 2 bug check. An error of ours is left to Node: its stack trace is what a bug report needs.

async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseArguments(args);
    switch (command.name) {
      case 'help':
        console.log(command.topic === 'boot' ? BOOT_USAGE : USAGE);
        return 0;
      case 'version':
        console.log(packageVersion());
        return 0;
      case 'info': {
        const info = infoReport(command.file);
        console.log(command.json ? JSON.stringify(info, null, 2) : infoText(info));
        return 0;
      }
      case 'boot':
        return await bootGuest(command);
      case 'run': {
        const report = runDriver(command);
        console.log(command.json ? JSON.stringify(report) : runText(report, command));
        if (report.error !== null && !command.json) console.error(`kmode: ${report.error}`);
        return report.bugcheck !== null ? 2 : report.error !== null ? 1 : 0;
      }
    }
  } catch (error) {
    if (
      error instanceof UsageError ||
      error instanceof InputError ||
      error instanceof RunError ||
      (error instanceof Error && (error.name === 'ImageError' || error.name === 'BootImageError'))
    ) {
      console.error(`kmode: ${error.message}`);
      return args[0] === 'boot' ? BOOT_BAD : 1;
    }
    throw error;
  }
}

function packageVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string }).version;
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
    }
  }
  throw new Error('package.json is not where the package has it');
}

process.exitCode = await main(process.argv.slice(2));
