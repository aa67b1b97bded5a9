import { defineConfig } from 'vite';

// Names without hashes: the gateway embeds these few files by name and answers with an ETag, so that a new build is a new
// content and not a new name. Paths are relative: the page does not know below which path it is served.
export default defineConfig({
  base: './',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    assetsDir: '',
    // A style sheet or an icon as a data: URL would need a weaker Content-Security-Policy.
    assetsInlineLimit: 0,
    rollupOptions: {
      // The worker is a program of its own, which shares nothing with the page.
      input: { page: 'index.html', worker: 'src/worker.ts' },
      output: { entryFileNames: '[name].js', chunkFileNames: '[name].js', assetFileNames: 'page.[ext]' },
    },
  },
});
