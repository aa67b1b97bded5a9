// For everybody: axe on every view, light and dark; 400 px; less motion; pictures.

import type { Page } from '@playwright/test';

import { accessible, expect, fits, session, test, type Gateway } from './page.ts';

/** Every view, by what is done to see it. */
const VIEWS: Record<string, (page: Page, gateway: Gateway) => Promise<void>> = {
  table: async (page) => expect(page.getByRole('table')).toBeVisible(),
  empty: async (page, gateway) => {
    for (const id of [...gateway.sessions.keys()]) gateway.remove(id);
    await expect(page.getByText('There is no session yet.')).toBeVisible();
  },
  'none-fits': async (page, gateway) => {
    await page.goto(`${gateway.url}#/sessions?q=nobody`);
    await expect(page.getByText('No session fits the search.')).toBeVisible();
  },
  create: async (page, gateway) => {
    await page.goto(`${gateway.url}#/new?game=arena`);
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await expect(dialog.getByText('A value is needed here.')).toBeVisible();
    await dialog.getByText('The same as YAML').click();
  },
  confirm: async (page) => {
    await page.getByRole('button', { name: 'Delete friday' }).click();
    await expect(page.getByRole('dialog')).toBeVisible();
  },
  detail: async (page, gateway) => {
    await page.goto(`${gateway.url}#/sessions/league`);
    await expect(page.locator('.stages')).toBeVisible();
  },
  games: async (page, gateway) => {
    await page.goto(`${gateway.url}#/games`);
    await expect(page.getByRole('heading', { name: 'Arena' })).toBeVisible();
  },
  offline: async (page, gateway) => {
    await gateway.down();
    await expect(page.getByText('No connection to the gateway')).toBeVisible();
  },
  forbidden: async (page, gateway) => {
    gateway.forbidden.add('events');
    await page.reload();
    await expect(page.getByText('You may not see this')).toBeVisible();
  },
  'sign-in': async (page, gateway) => {
    gateway.tokens = [];
    await page.reload();
    await page.getByLabel('Token').fill('wrong');
    await page.getByLabel('Token').press('Enter');
    await expect(page.getByRole('alert').filter({ hasText: 'Not accepted' })).toBeVisible();
  },
  refused: async (page, gateway) => {
    gateway.refuseNext = { status: 403, detail: 'no' };
    await page.getByRole('button', { name: 'Start sunday' }).click();
    await expect(page.getByText('sunday could not be started: no')).toBeVisible();
  },
};

function fill(gateway: Gateway): void {
  gateway.put(session('friday'));
  gateway.put(session('sunday', 'Stopped', { userId: 'bob' }));
  gateway.put(session('league', 'Starting', { game: 'arena', userId: 'carol', reason: 'PullingImage', message: 'pulling dillinger/arena:1' }));
  gateway.put(session('old', 'Failed', { reason: 'OOMKilled', message: 'the game used more memory than 512Mi' }));
  gateway.put(session('lost', 'Unknown', { reason: 'EngineUnreachable' }));
  gateway.put(session('done', 'Succeeded', { reason: 'Completed' }));
  gateway.write('league', 'downloading the world…\n');
}

for (const [name, see] of Object.entries(VIEWS)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${name}, ${colorScheme}: axe finds nothing`, async ({ page, gateway, open }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      fill(gateway);
      await open();
      await see(page, gateway);
      await accessible(page);
    });
  }

  test(`${name} fits in 400 px, and axe finds nothing there`, async ({ page, gateway, open }) => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 400, height: 800 });
    fill(gateway);
    await open();
    await see(page, gateway);
    await fits(page);
    await accessible(page);
  });
}

test('axe sees into the page, and finds a field without a name', async ({ page, open }) => {
  await open();
  await page.evaluate(() => document.querySelector('main')?.append(document.createElement('input')));
  await expect(accessible(page)).rejects.toThrow('label');
});

test('at 400 px the table is still a table to a screen reader', async ({ page, gateway, open }) => {
  await page.setViewportSize({ width: 400, height: 800 });
  fill(gateway);
  await open();
  await expect(page.getByRole('table', { name: 'Sessions' })).toBeVisible();
  await expect(page.getByRole('rowheader', { name: 'friday' })).toBeVisible();
  await expect(page.getByRole('cell', { name: 'carol' })).toBeVisible();
  await expect(page.getByRole('columnheader', { name: 'Status' })).toBeVisible();
});

test('nothing moves for who asked for less motion', async ({ page, gateway, open }) => {
  fill(gateway);
  await open();
  const moving = () => page.evaluate(() => document.getAnimations().length);
  await expect.poll(moving).toBeGreaterThan(0);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await expect.poll(moving).toBe(0);
});

test('the counts are told politely, and say no more than the counts', async ({ page, gateway, open }) => {
  fill(gateway);
  await open();
  const status = page.getByRole('status').filter({ hasText: 'sessions' });
  await expect(status).toHaveText('6 sessions, 1 ready, 1 failed');
  gateway.put(session('sunday'));
  await expect(status).toHaveText('6 sessions, 2 ready, 1 failed');
});

// Pictures of this small gateway's sessions, to look at: PICTURES=folder. Those of the documentation are of real games (tests/real).
const folder = process.env['PICTURES'];
if (folder) {
  for (const [name, width, colorScheme] of [
    ['table', 1280, 'light'],
    ['create', 1280, 'light'],
    ['detail', 1280, 'light'],
    ['table', 1280, 'dark'],
    ['table', 400, 'light'],
  ] as const) {
    test(`picture of ${name}, ${width} px, ${colorScheme}`, async ({ page, gateway, open }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 800 });
      fill(gateway);
      await open();
      await VIEWS[name]?.(page, gateway);
      await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png` });
    });
  }
}
