// What every test of the page has: a gateway, the page in a browser, and a watch over what must never happen in it.

import { test as base, expect, type Page } from '@playwright/test';
import AxeBuilder from '@axe-core/playwright';

import { Gateway } from '../gateway.ts';

export { expect } from '@playwright/test';
export * from '../gateway.ts';

interface Parts {
  prefix: string;
  gateway: Gateway;
  /** Opens the page at this place, and waits until it is live. */
  open: (hash?: string) => Promise<void>;
}

export const test = base.extend<Parts>({
  prefix: ['/', { option: true }],
  gateway: async ({ prefix }, use) => {
    const gateway = new Gateway(prefix);
    await gateway.up();
    await use(gateway);
    await gateway.down();
  },
  open: async ({ page, gateway }, use) => {
    const wrong: string[] = [];
    page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
    page.on('console', (message) => {
      // A refused or lost request is written by the browser itself; everything else is a fault, a broken policy above all.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) wrong.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(gateway.url)) wrong.push(`a request elsewhere: ${request.url()}`);
    });
    await use(async (hash = '') => {
      await page.goto(`${gateway.url}${hash}`);
      await expect(page.locator('main h1, main h2').first()).toBeVisible();
      if (!gateway.hold) await expect(page.getByRole('status').filter({ hasText: 'Loading…' })).toHaveCount(0);
    });
    expect(wrong).toEqual([]);
  },
});

/** No violation of any rule of WCAG 2.2 A and AA, or of good practice, as axe finds them. */
export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

export const row = (page: Page, id: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name: id, exact: true }) });

export const counts = (page: Page) => page.locator('.counts');

/** Nothing is wider than the window. */
export async function fits(page: Page): Promise<void> {
  const [inside, all] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
  expect(all).toBeLessThanOrEqual(inside ?? 0);
}
