import { defineConfig, type PlaywrightTestOptions, type PlaywrightWorkerOptions } from '@playwright/test';

/** Debian's chromium, or the one that CHROMIUM names; it asks nobody for anything. */
const browser: Partial<PlaywrightTestOptions & PlaywrightWorkerOptions> = {
  browserName: 'chromium',
  viewport: { width: 1280, height: 900 },
  launchOptions: {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
};

// Three projects: values alone; the page in a browser, with a small gateway of the tests; and with real games (tests/page).
export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  retries: 0,
  reporter: 'list',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  projects: [
    { name: 'values', testMatch: 'values.spec.ts' },
    { name: 'page', testMatch: 'page/*.spec.ts', use: browser },
    { name: 'real', testMatch: 'real/*.spec.ts', use: browser, timeout: 180_000 },
  ],
});
