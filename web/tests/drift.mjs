// Builds the page anew, elsewhere, and compares it with what is committed in dist/.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const committed = join(root, 'dist');
const fresh = mkdtempSync(join(tmpdir(), 'page-'));
try {
  await build({ root, logLevel: 'warn', build: { outDir: fresh, emptyOutDir: true } });
  const names = [...new Set([...readdirSync(committed), ...readdirSync(fresh)])].sort();
  const read = (folder, name) => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch {
      return undefined;
    }
  };
  const other = names.filter((name) => read(committed, name) !== read(fresh, name));
  if (other.length > 0) {
    console.error(`web/dist is not what the sources make: ${other.join(', ')}; npm run build writes it anew`);
    process.exitCode = 1;
  } else {
    console.log(`web/dist: ${names.length} files, as the sources make them`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
