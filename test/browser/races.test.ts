import { expect, inject, it } from 'vitest';
import { raceInChromium } from './raceinchromium.ts';
import { racesDriver } from '../races/driver.ts';
import { race } from '../races/race.ts';
import { launchChromium } from './chromium.ts';

const SEEDS = [1, 2, 3, 4];

it('lets four processors race to the same results and states in Chromium as in Node', async () => {
  const browser = await launchChromium(inject('browser'));
  try {
    const inNode = SEEDS.map(seed => race(racesDriver(), seed));
    expect(await raceInChromium(browser.context, SEEDS)).toEqual(inNode);
    expect(new Set(inNode.map(o => o.counter)).size).toBeGreaterThan(1);
  } finally {
    await browser.close();
  }
});
