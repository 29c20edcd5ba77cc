/**
 * A Chromium for the browser tests: an installed Chrome or Chromium if there is one, else the one that ships inside the package `@sparticuz/chromium`
 * (x64 Linux), so that the tests need nothing but `npm ci`.
 */
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import type { BrowserContext } from 'playwright-core';

/** No network but what the test asks for, no GPU, no sandbox (containers run tests as root). */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge'];
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
];

/** Path of an installed browser: `$CHROME_PATH`, else one on the PATH or in the usual places; null when there is none. A wrong `$CHROME_PATH` throws. */
export function installedChromium(): string | null {
  const chosen = process.env.CHROME_PATH;
  if (chosen) {
    if (!isExecutable(chosen)) throw new Error(`CHROME_PATH names ${chosen}, which cannot be run`);
    return chosen;
  }
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  const candidates = [...NAMES.flatMap(name => folders.map(folder => join(folder, name))), ...PLACES];
  return candidates.find(isExecutable) ?? null;
}

/** Path of the packaged browser, unpacked on first use (a second or two). Only for x64 Linux: elsewhere it throws with what to install. */
export async function packagedChromium(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `no Chrome or Chromium was found, and the packaged one is not for ${process.platform} ${process.arch}: install one or set CHROME_PATH`,
    );
  }
  // With this set the package also unpacks the shared libraries that a bare system lacks; it looks when it is imported.
  process.env.AWS_LAMBDA_JS_RUNTIME ??= 'nodejs20.x';
  const { default: packaged } = await import('@sparticuz/chromium');
  return packaged.executablePath();
}

/** A browser with a fresh profile. `close` ends it and removes the profile. */
export interface TestBrowser {
  context: BrowserContext;
  path: string;
  /** Folder of its profile: in the command line of its process. */
  profile: string;
  close(): Promise<void>;
}

/** Starts the installed browser, else the packaged one. */
export async function launchChromium(path?: string): Promise<TestBrowser> {
  const executablePath = path ?? installedChromium() ?? (await packagedChromium());
  const profile = mkdtempSync(join(tmpdir(), 'kmode-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: FLAGS,
    viewport: { width: 1400, height: 900 },
  });
  return {
    context,
    path: executablePath,
    profile,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
