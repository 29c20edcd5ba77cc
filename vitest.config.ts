import { defineConfig } from 'vitest/config';

const SOURCES = ['assembly', 'devices', 'emulator', 'hal', 'kernel', 'scripts', 'web'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    slowTestThreshold: 20_000,
    // Modules keep nothing between machines, so test files share them: each would otherwise load the whole kernel again.
    isolate: false,
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            ...SOURCES.map(folder => `${folder}/**/*.test.ts`),
            'test/*.test.ts',
            'test/vectors/**/*.test.ts',
            'test/fuzz/**/*.test.ts',
            'test/bench/**/*.test.ts',
          ],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'boots',
          include: ['boots', 'badinput', 'determinism', 'package', 'races'].map(folder => `test/${folder}/**/*.test.ts`),
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'drivers',
          include: ['test/drivers/**/*.test.ts'],
          testTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: ['test/browser/setup.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          // One page at a time: its speed is part of what is tested.
          fileParallelism: false,
        },
      },
    ],
  },
});
