import { defineConfig } from 'vite';

/** The page. Relative addresses, so that it works from any folder of any static host. */
export default defineConfig({
  root: 'web',
  base: './',
  worker: { format: 'es' },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    // Drivers and the core stay files of their own, which the page fetches.
    assetsInlineLimit: 0,
  },
});
