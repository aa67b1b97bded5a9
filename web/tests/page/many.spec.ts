// Five hundred sessions. What is asserted is counted; times are printed.

import { counts, expect, row, session, test } from './page.ts';

const MANY = 500;
const id = (number: number) => `s${String(number).padStart(3, '0')}`;

test('five hundred rows: one change redraws one row, and the rest stays untouched', async ({ page, gateway, open }) => {
  for (let number = 0; number < MANY; number += 1) gateway.sessions.set(id(number), session(id(number), 'Starting'));
  await open('#/sessions?sort=name');
  await expect(counts(page)).toHaveText(`${MANY} sessions, 0 ready`);
  await expect(page.locator('tbody tr')).toHaveCount(MANY);

  await page.evaluate(() => {
    const touched = new Set<string>();
    const watch = new MutationObserver((changes) => {
      for (const { target } of changes) {
        const element = target instanceof Element ? target : target.parentElement;
        const row = element?.closest('tbody tr');
        // The age is told by a clock of its own.
        if (row && !element?.closest('time')) touched.add(row.querySelector('a')?.textContent ?? '');
      }
    });
    const body = document.querySelector('tbody');
    if (body) watch.observe(body, { subtree: true, childList: true, characterData: true, attributes: true });
    Object.assign(window, { touched });
  });
  gateway.put(session(id(250)));
  await expect(row(page, id(250))).toContainText('127.0.0.1:7007');
  expect(await page.evaluate(() => [...(window as unknown as { touched: Set<string> }).touched])).toEqual([id(250)]);
});

test('five hundred rows under a storm of changes: how long frames take', async ({ page, gateway, open }) => {
  for (let number = 0; number < MANY; number += 1) gateway.sessions.set(id(number), session(id(number), 'Starting'));
  await open('#/sessions?sort=name');
  await expect(page.locator('tbody tr')).toHaveCount(MANY);
  await page.evaluate(() => {
    const frames: number[] = [];
    let last = performance.now();
    const frame = (now: number) => {
      frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(window, { frames });
  });
  for (let number = 0; number < MANY; number += 1) {
    gateway.put(session(id(number)));
    if (number % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await expect(counts(page)).toHaveText(`${MANY} sessions, ${MANY} ready`);
  const frames = (await page.evaluate(() => (window as unknown as { frames: number[] }).frames)).slice(1).sort((a, b) => a - b);
  const place = (part: number) => Math.round(frames[Math.floor((frames.length - 1) * part)] ?? 0);
  console.log(`500 rows, 500 changes: frames p50 ${place(0.5)} ms, p95 ${place(0.95)} ms, longest ${place(1)} ms`);
});

test('from a change at the gateway to the row', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Starting'));
  await open();
  await expect(row(page, 'friday')).toBeVisible();
  await page.evaluate(() => {
    const seen: number[] = [];
    new MutationObserver(() => seen.push(Date.now())).observe(document.querySelector('.counts') ?? document.body, { subtree: true, characterData: true, childList: true });
    Object.assign(window, { seen });
  });
  const times: number[] = [];
  for (let turn = 0; turn < 40; turn += 1) {
    const before = await page.evaluate(() => (window as unknown as { seen: number[] }).seen.length);
    const sent = Date.now();
    gateway.put(session('friday', turn % 2 ? 'Starting' : 'Running'));
    const saw = () => page.evaluate((before) => (window as unknown as { seen: number[] }).seen[before], before);
    await expect.poll(saw).toBeTruthy();
    times.push(((await saw()) ?? 0) - sent);
  }
  times.sort((a, b) => a - b);
  console.log(`change to row on loopback: p50 ${times[20]} ms, longest ${times.at(-1)} ms of ${times.length}`);
});
