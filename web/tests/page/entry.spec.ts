// Who may come in: tokens, rights, and below which path.

import { counts, expect, row, session, test } from './page.ts';

test('a gateway that asks for a token shows the sign-in, refuses a wrong one in words, and a right one opens it', async ({ page, gateway, open }) => {
  gateway.tokens = ['right'];
  gateway.put(session('friday'));
  await open();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(page.getByRole('table')).toHaveCount(0);
  await page.getByLabel('Token').fill('wrong');
  await page.getByLabel('Token').press('Enter');
  await expect(page.getByText('Not accepted: the token is not valid here')).toBeVisible();
  await page.getByLabel('Token').fill('right');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(row(page, 'friday')).toBeVisible();
  const sent = gateway.requests.filter((one) => one.path.startsWith('/events') || one.path.startsWith('/games'));
  expect(sent.at(-1)?.headers.authorization).toBe('Bearer right');
});

test('nothing on the page can read the token, and it ends with the page', async ({ page, gateway, open, context }) => {
  const token = 'a-token-that-nobody-shall-find';
  gateway.tokens = [token];
  gateway.put(session('friday'));
  await open();
  await page.getByLabel('Token').fill(token);
  await page.getByLabel('Token').press('Enter');
  await expect(row(page, 'friday')).toBeVisible();
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state, document.documentElement.outerHTML]),
  );
  expect(kept).not.toContain(token);
  expect(await page.evaluate(() => indexedDB.databases())).toEqual([]);
  expect(await page.evaluate(() => caches.keys())).toEqual([]);
  expect(await context.cookies()).toEqual([]);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('who signed in plays in the name of the token where no other is written', async ({ page, gateway, open }) => {
  gateway.tokens = ['right'];
  await open('#/new?game=wesnoth');
  await page.getByLabel('Token').fill('right');
  await page.getByLabel('Token').press('Enter');
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('User')).toHaveValue('');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: 'made-1' })).toBeVisible();
  const asked = gateway.requests.find((one) => one.method === 'POST');
  expect(JSON.parse(asked?.body ?? '')).toEqual({ gameId: 'wesnoth', gameConfig: { type: 'wesnoth' } });
});

test('signing out forgets the token and what was seen', async ({ page, gateway, open }) => {
  gateway.tokens = ['right'];
  gateway.put(session('friday'));
  await open();
  await page.getByLabel('Token').fill('right');
  await page.getByLabel('Token').press('Enter');
  await expect(row(page, 'friday')).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  await expect(page.getByText('friday')).toHaveCount(0);
  await expect.poll(() => gateway.listeners).toBe(0);
});

test('a token that ends while the page is open leads back to the sign-in', async ({ page, gateway, open }) => {
  gateway.tokens = ['right'];
  gateway.put(session('friday'));
  await open();
  await page.getByLabel('Token').fill('right');
  await page.getByLabel('Token').press('Enter');
  await expect(row(page, 'friday')).toBeVisible();
  gateway.tokens = ['another'];
  await gateway.down();
  await gateway.up();
  await expect(page.getByText('Not accepted: the token is not valid here')).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
});

test('who may not list sessions is told which right is missing', async ({ page, gateway, open }) => {
  gateway.forbidden.add('events');
  await open();
  await expect(page.getByRole('heading', { name: 'You may not see this' })).toBeVisible();
  await expect(page.getByText('"bob" may not list events.dillinger.dev in the namespace "default"')).toBeVisible();
  gateway.forbidden.clear();
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(counts(page)).toHaveText('0 sessions, 0 ready');
});

test('who may not list games sees the sessions all the same', async ({ page, gateway, open }) => {
  gateway.forbidden.add('games');
  gateway.put(session('friday'));
  await open();
  await expect(row(page, 'friday')).toBeVisible();
  await page.getByRole('link', { name: 'Games', exact: true }).click();
  await expect(page.getByText('"bob" may not list games.dillinger.dev in the namespace "default"')).toBeVisible();
});

test.describe('below a path', () => {
  test.use({ prefix: '/api/v1/namespaces/default/services/runner:http/proxy/' });

  test('everything works there, and nothing is asked for elsewhere', async ({ page, gateway, open }) => {
    gateway.put(session('friday'));
    await open();
    await row(page, 'friday').getByRole('link', { name: 'friday' }).click();
    await expect(page.getByRole('heading', { name: 'friday' })).toBeVisible();
    await page.goto(`${gateway.url}#/new?game=wesnoth`);
    await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
    await expect(page.getByRole('heading', { name: 'made-2' })).toBeVisible();
    expect(gateway.astray).toEqual([]);
  });

  test('the token goes to nobody else on the same origin, whoever asks for it', async ({ page, gateway }) => {
    gateway.tokens = ['right'];
    // Not by open(), which takes each request elsewhere for a fault: here they are asked for.
    await page.goto(gateway.url);
    await page.getByLabel('Token').fill('right');
    await page.getByLabel('Token').press('Enter');
    await expect(counts(page)).toBeVisible();
    const [worker] = page.workers();
    const call = (url: string) =>
      worker?.evaluate((url) => self.onmessage?.(new MessageEvent('message', { data: { kind: 'call', id: -1, method: 'GET', url, headers: {}, stream: false } })), url);
    const outside = new URL('/api/v1/namespaces/default/services/another/proxy/', gateway.url);
    await call(outside.href);
    await call(`${gateway.url}../another/`);
    await call(`${gateway.url}sessions`);
    await expect.poll(() => gateway.astray.length).toBe(2);
    expect(gateway.astray.map((one) => one.headers.authorization)).toEqual([undefined, undefined]);
    const inside = () => gateway.requests.filter((one) => one.path === '/sessions').at(-1)?.headers.authorization;
    await expect.poll(inside).toBe('Bearer right');
  });
});
