// Names, texts and logs that want to be more than text.

import { expect, row, session, test, WESNOTH } from './page.ts';

const MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
const TURNED = 'safe\u202egnp.exe\u0007\u200b';

declare global {
  interface Window {
    hacked?: number;
  }
}

test('markup in every text that somebody else writes stays text', async ({ page, gateway, open }) => {
  gateway.games = [{ ...WESNOTH, title: MARKUP, image: MARKUP, parameters: [{ name: 'MAP', description: MARKUP, default: MARKUP }] }];
  const bad = session('friday', 'Failed', { userId: MARKUP, game: 'wesnoth', reason: MARKUP, message: MARKUP, warnings: [MARKUP] });
  gateway.put(bad);
  gateway.write('friday', `${MARKUP}\n`);
  gateway.events.set('friday', [{ time: new Date().toISOString(), type: 'Warning', reason: MARKUP, message: MARKUP }]);
  gateway.resources.set('friday', {
    metadata: { name: 'friday' },
    spec: { user: MARKUP, parameters: [{ name: 'MAP', value: MARKUP }] },
    status: { container: { image: MARKUP, name: MARKUP }, conditions: [{ type: 'Ready', status: 'False', reason: 'Error', message: MARKUP, lastTransitionTime: MARKUP }] },
  });
  await open();
  await expect(row(page, 'friday')).toContainText(MARKUP);
  await page.goto(`${gateway.url}#/sessions/friday`);
  await expect(page.getByRole('log')).toContainText(MARKUP);
  await expect(page.locator('.standing')).toContainText(MARKUP);
  await expect(page.locator('.timeline')).toContainText(MARKUP);
  await page.goto(`${gateway.url}#/games`);
  await expect(page.getByRole('heading', { name: MARKUP })).toBeVisible();
  await page.getByRole('link', { name: /^Play/ }).click();
  await expect(page.getByRole('dialog')).toContainText(MARKUP);
  await page.goto(`${gateway.url}#/sessions/${encodeURIComponent(MARKUP)}`);
  await expect(page.getByText(`There is no session ${MARKUP}.`)).toBeVisible();
  expect(await page.locator('img, main script').count()).toBe(0);
  expect(await page.evaluate(() => window.hacked)).toBeUndefined();
});

test('characters that turn the writing or show nothing are shown as a mark', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Running', { userId: TURNED }));
  gateway.write('friday', `${TURNED}\u001b[31m\n`);
  await open();
  await expect(row(page, 'friday').locator('.user')).toHaveText('safe\ufffdgnp.exe\ufffd\ufffd');
  await page.goto(`${gateway.url}#/sessions/friday`);
  await expect(page.getByRole('log')).toContainText('safe\ufffdgnp.exe\ufffd\ufffd\ufffd[31m');
});

test('names as long as they may be do not break the page', async ({ page, gateway, open }) => {
  const long = `a${'b'.repeat(51)}`;
  gateway.put(session(long, 'Failed', { userId: 'w'.repeat(253), message: 'm'.repeat(5_000), reason: 'R'.repeat(60) }));
  await open();
  await expect(row(page, long)).toBeVisible();
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(await wide()).toBeLessThanOrEqual(0);
  await page.goto(`${gateway.url}#/sessions/${long}`);
  await expect(page.locator('.standing')).toBeVisible();
  expect(await wide()).toBeLessThanOrEqual(0);
});

test('the policy of the page stops what a broken page would do', async ({ page, gateway }) => {
  gateway.put(session('friday'));
  await page.goto(gateway.url);
  await expect(row(page, 'friday')).toBeVisible();
  const failed = await page.evaluate(async (elsewhere) => {
    const broken: string[] = [];
    Object.assign(window, { broken });
    document.addEventListener('securitypolicyviolation', (event) => broken.push(event.effectiveDirective));
    const attempts: (() => unknown)[] = [
      () => (document.createElement('div').innerHTML = '<b>x</b>'),
      () => new Worker('data:text/javascript,1'),
      () => fetch(elsewhere),
    ];
    return Promise.all(
      attempts.map(async (attempt) => {
        try {
          await attempt();
          return false;
        } catch {
          return true;
        }
      }),
    );
  }, 'http://127.0.0.2:1/');
  expect(failed).toEqual([true, true, true]);
  const broken = () => page.evaluate(() => [...new Set((window as unknown as { broken: string[] }).broken)].sort());
  await expect.poll(broken).toEqual(['connect-src', 'require-trusted-types-for']);
  await page.evaluate(() => {
    const script = document.createElement('b');
    try {
      script.setAttribute('onclick', 'window.hacked=1');
    } catch {
      // Browsers that hold Trusted Types here, too.
    }
    document.body.append(script);
    script.click();
  });
  expect(await page.evaluate(() => window.hacked)).toBeUndefined();
});
