// The table follows the gateway.

import { counts, expect, row, session, test } from './page.ts';

test('a session that somebody creates elsewhere appears, turns ready and goes', async ({ page, gateway, open }) => {
  await open();
  await expect(page.getByText('There is no session yet.')).toBeVisible();
  gateway.put(session('friday', 'Pending'));
  await expect(row(page, 'friday')).toContainText('Pending');
  await expect(row(page, 'friday')).toContainText('none yet');
  gateway.put(session('friday', 'Starting', { reason: 'PullingImage' }));
  await expect(row(page, 'friday')).toContainText('PullingImage');
  gateway.put(session('friday'));
  await expect(row(page, 'friday')).toContainText('127.0.0.1:7007');
  await expect(row(page, 'friday').getByText('Running')).toBeVisible();
  await expect(counts(page)).toHaveText('1 session, 1 ready');
  gateway.remove('friday');
  await expect(row(page, 'friday')).toHaveCount(0);
  await expect(page.getByText('There is no session yet.')).toBeVisible();
});

test('the page says that the gateway is away, keeps what it knew, and comes back with what changed', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  gateway.put(session('old'));
  await open();
  await expect(row(page, 'friday')).toContainText('Running');
  await gateway.down();
  const banner = page.getByRole('alert').filter({ hasText: 'No connection to the gateway' });
  await expect(banner).toBeVisible();
  await expect(row(page, 'friday')).toContainText('Running');
  gateway.sessions.delete('old');
  gateway.sessions.set('friday', session('friday', 'Failed', { reason: 'OOMKilled' }));
  await gateway.up();
  await banner.getByRole('button', { name: 'Try now' }).click();
  await expect(banner).toHaveCount(0);
  await expect(row(page, 'friday')).toContainText('OOMKilled');
  await expect(row(page, 'old')).toHaveCount(0);
});

test('a gateway that restarts is found again without a hand', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  await open();
  await expect(row(page, 'friday')).toBeVisible();
  await gateway.down();
  await expect(page.getByText('No connection to the gateway')).toBeVisible();
  await gateway.up();
  await expect(page.getByText('No connection to the gateway')).toHaveCount(0);
  gateway.put(session('later'));
  await expect(row(page, 'later')).toBeVisible();
  expect(gateway.listeners).toBe(1);
});

test('a stream that ends in order is opened again, and nobody is troubled', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  await open();
  await expect(row(page, 'friday')).toBeVisible();
  const alarms = await page.evaluate(() => {
    const seen: string[] = [];
    const banner = document.querySelector('[role=alert]');
    if (banner) new MutationObserver(() => seen.push(banner.textContent ?? '')).observe(banner, { childList: true, subtree: true });
    Object.assign(window, { alarms: seen });
    return seen.length;
  });
  expect(alarms).toBe(0);
  gateway.endStreams();
  await expect.poll(() => gateway.requests.filter((one) => one.path === '/events').length).toBe(2);
  gateway.put(session('later'));
  await expect(row(page, 'later')).toBeVisible();
  expect(await page.evaluate(() => (window as unknown as { alarms: string[] }).alarms)).toEqual([]);
});

test('an act while the gateway is away says that it failed', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  await open();
  await page.getByRole('button', { name: 'Stop friday' }).click();
  const dialog = page.getByRole('dialog', { name: 'Stop friday?' });
  await gateway.down();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText('friday could not be stopped: the gateway does not answer')).toBeVisible();
});

test('a new snapshot takes the place of all that was known', async ({ page, gateway, open }) => {
  for (const id of ['a', 'b', 'c']) gateway.put(session(id));
  await open();
  await expect(counts(page)).toHaveText('3 sessions, 3 ready');
  gateway.sessions.delete('a');
  gateway.sessions.set('d', session('d'));
  gateway.resync();
  await expect(row(page, 'd')).toBeVisible();
  await expect(row(page, 'a')).toHaveCount(0);
});

test('search and filters stand in the address, and the address brings them back', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  gateway.put(session('duel', 'Failed', { game: 'arena', userId: 'bob' }));
  await open();
  await page.getByRole('searchbox', { name: 'Search' }).fill('bob');
  await expect(row(page, 'friday')).toHaveCount(0);
  await expect(counts(page)).toHaveText('1 of 2 sessions, 1 ready, 1 failed');
  await page.getByRole('combobox', { name: 'Status' }).selectOption({ label: 'Failed' });
  await page.getByRole('columnheader', { name: 'Session' }).getByRole('button').click();
  await expect(page).toHaveURL(/#\/sessions\?q=bob&status=failed&sort=name$/);
  await page.reload();
  await expect(page.getByRole('searchbox', { name: 'Search' })).toHaveValue('bob');
  await expect(page.getByRole('columnheader', { name: 'Session' })).toHaveAttribute('aria-sort', 'ascending');
  await expect(row(page, 'duel')).toBeVisible();
  await expect(row(page, 'friday')).toHaveCount(0);
  await page.getByRole('searchbox', { name: 'Search' }).fill('nobody');
  await expect(page.getByText('No session fits the search.')).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(row(page, 'friday')).toBeVisible();
});

test('an address is copied with one button', async ({ page, gateway, open, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  gateway.put(session('friday'));
  await open();
  await page.getByRole('button', { name: 'Copy the address 127.0.0.1:7007' }).click();
  await expect(page.getByRole('button', { name: 'Copied' })).toBeFocused();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('127.0.0.1:7007');
});

test('before the first list the page says that it loads', async ({ page, gateway, open }) => {
  let go = () => {};
  gateway.hold = new Promise((resolve) => (go = resolve));
  await open();
  await expect(page.getByRole('status').filter({ hasText: 'Loading…' })).toBeVisible();
  go();
  await expect(counts(page)).toHaveText('0 sessions, 0 ready');
});

test('where nobody answers the first call, the page says that', async ({ page, gateway, open }) => {
  let go = () => {};
  gateway.hold = new Promise((resolve) => (go = resolve));
  await open();
  await gateway.down();
  go();
  await expect(page.getByText('The gateway does not answer.')).toBeVisible();
});
