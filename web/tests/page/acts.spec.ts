// Stop, start and delete; and all of it with the keyboard alone.

import type { Page } from '@playwright/test';

import { expect, row, session, test } from './page.ts';

test('a stop asks first, says what is kept, and a start resumes', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  await open();
  await page.getByRole('button', { name: 'Stop friday' }).click();
  const dialog = page.getByRole('dialog', { name: 'Stop friday?' });
  await expect(dialog).toContainText('Its storage (world, saves) stays');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Stop friday' })).toBeFocused();
  expect(gateway.requests.filter((one) => one.method !== 'GET')).toEqual([]);
  await page.getByRole('button', { name: 'Stop friday' }).click();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await expect(row(page, 'friday')).toContainText('Stopped');
  await page.getByRole('button', { name: 'Start friday' }).click();
  await expect(row(page, 'friday')).toContainText('127.0.0.1:7007');
});

test('a game without storage says what a stop loses', async ({ page, gateway, open }) => {
  gateway.put(session('duel', 'Running', { game: 'arena' }));
  await open();
  await expect(page.getByRole('button', { name: 'Stop duel' })).toBeVisible();
  await page.getByRole('button', { name: 'Stop duel' }).click();
  await expect(page.getByRole('dialog')).toContainText('This game has no storage: what was played is gone.');
});

test('a delete asks first, and the row goes', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  gateway.put(session('sunday'));
  await open();
  await page.getByRole('button', { name: 'Delete friday' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete friday?' });
  await expect(dialog).toContainText('This cannot be undone.');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await expect(row(page, 'friday')).toHaveCount(0);
  await expect(row(page, 'sunday')).toBeVisible();
  expect(gateway.requests.filter((one) => one.method === 'DELETE').map((one) => one.path)).toEqual(['/sessions/friday']);
});

test('what the gateway refuses stays on the page until it is closed', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Stopped'));
  await open();
  gateway.refuseNext = { status: 403, detail: '"bob" may not patch gamesessions.dillinger.dev' };
  await page.getByRole('button', { name: 'Start friday' }).click();
  const said = page.getByRole('alert').filter({ hasText: 'friday could not be started: "bob" may not patch gamesessions.dillinger.dev' });
  await expect(said).toBeVisible();
  await said.getByRole('button', { name: 'Close' }).click();
  await expect(said).toHaveCount(0);
});

/** Presses Tab until this has the focus. */
async function tabTo(page: Page, name: string | RegExp): Promise<void> {
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press('Tab');
    const label = await page.evaluate(() => {
      const at = document.activeElement;
      return at?.getAttribute('aria-label') ?? (at instanceof HTMLInputElement || at instanceof HTMLSelectElement ? at.labels?.[0]?.textContent : at?.textContent) ?? '';
    });
    if (typeof name === 'string' ? label.trim() === name : name.test(label)) return;
  }
  throw new Error(`the keyboard does not reach ${name}`);
}

test('create, look, stop, start and delete without a mouse', async ({ page, gateway, open }) => {
  await open();
  await tabTo(page, 'New session');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').getByLabel('Game')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'New session' })).toBeFocused();
  await page.keyboard.press('Enter');
  await tabTo(page, /^User/);
  await page.keyboard.press('Control+A');
  await page.keyboard.type('carol');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'made-1' })).toBeVisible();
  await expect(page.locator('.standing')).toContainText('Running');
  expect(gateway.sessions.get('made-1')?.userId).toBe('carol');
  await tabTo(page, 'Stop made-1');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.locator('.standing')).toContainText('Stopped');
  await tabTo(page, 'Start made-1');
  await page.keyboard.press('Enter');
  await expect(page.locator('.standing')).toContainText('Running');
  await tabTo(page, 'Delete made-1');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByText('This session is gone.')).toBeVisible();
});

test('back from a session the keyboard is where it was', async ({ page, gateway, open }) => {
  for (const id of ['a', 'b', 'c']) gateway.put(session(id));
  await open();
  await page.getByRole('link', { name: 'b', exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'b', exact: true })).toBeFocused();
  await page.goBack();
  await expect(page.getByRole('link', { name: 'b', exact: true })).toBeFocused();
});

test('the focus stays on its row when rows change places, and moves to a neighbour when its row goes', async ({ page, gateway, open }) => {
  for (const id of ['a', 'b', 'c']) gateway.put(session(id, 'Starting'));
  await open('#/sessions?sort=status');
  const order = () => page.locator('tbody th a').allTextContents();
  await page.getByRole('button', { name: 'Delete c' }).focus();
  gateway.put(session('c', 'Pending'));
  await expect.poll(order).toEqual(['c', 'a', 'b']);
  await expect(page.getByRole('button', { name: 'Delete c' })).toBeFocused();
  gateway.put(session('c', 'Failed'));
  await expect.poll(order).toEqual(['a', 'b', 'c']);
  await expect(page.getByRole('button', { name: 'Delete c' })).toBeFocused();
  gateway.remove('c');
  await expect.poll(order).toEqual(['a', 'b']);
  await expect(page.getByRole('button', { name: 'Delete b' })).toBeFocused();
});

test('the arrow keys go from row to row', async ({ page, gateway, open }) => {
  gateway.put(session('a'));
  gateway.put(session('b', 'Starting'));
  gateway.put(session('c'));
  await open('#/sessions?sort=name');
  await page.getByRole('button', { name: 'Delete a' }).focus();
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('button', { name: 'Delete b' })).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('button', { name: 'Delete c' })).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  await expect(page.getByRole('button', { name: 'Delete a' })).toBeFocused();
});
