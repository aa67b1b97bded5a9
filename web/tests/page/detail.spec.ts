// One session, looked at closely.

import { expect, session, test } from './page.ts';

const at = (seconds: number) => new Date(Date.now() - 60_000 + seconds * 1000).toISOString();

test('a session shows how far it is, why, and what happened', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Starting', { reason: 'BackOff', message: 'crashed with exit code 3; again in 10 s', restarts: 2 }));
  gateway.resources.set('friday', {
    metadata: { name: 'friday', namespace: 'default' },
    spec: { gameRef: { name: 'wesnoth' }, user: 'alice', restartPolicy: 'OnFailure' },
    status: {
      runtime: 'Docker',
      lastExit: { reason: 'Error', exitCode: 3, finishTime: at(20) },
      conditions: [
        { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: at(1) },
        { type: 'ImageReady', status: 'True', reason: 'ImagePresent', message: '', lastTransitionTime: at(2) },
        { type: 'Started', status: 'False', reason: 'BackOff', message: 'again in 10 s', lastTransitionTime: at(21) },
      ],
    },
  });
  gateway.events.set('friday', [{ time: at(22), type: 'Warning', reason: 'BackOff', message: 'the game crashed', count: 2 }]);
  await open('#/sessions/friday');
  await expect(page.locator('.standing')).toContainText('BackOff');
  await expect(page.locator('.standing')).toContainText('It crashed and is started again after a wait.');
  await expect(page.locator('.standing')).toContainText('crashed with exit code 3; again in 10 s');
  await expect(page.locator('.stages li')).toHaveText([/Accepted\s+done/, /Image\s+done/, /Started\s+under way/, /Ready\s+to come/]);
  await expect(page.locator('.timeline strong')).toHaveText(['BackOff', 'Started: False', 'Container ended', 'ImageReady: True', 'Accepted: True', 'Session created']);
  await expect(page.locator('.timeline .bad').first()).toContainText('the game crashed (2 times)');
  await expect(page.locator('dl')).toContainText('Error, exit code 3');
  await expect(page.locator('dl')).toContainText('Its storage survives a stop');
  await expect(page.getByRole('region', { name: 'Session as YAML' })).toContainText('restartPolicy: OnFailure');
  await expect(page.getByRole('region', { name: 'Session as YAML' })).toContainText('namespace: default');
});

test('a gateway that gives no more than the old calls is enough', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Starting', { reason: 'PullingImage' }));
  await open('#/sessions/friday');
  await expect(page.locator('.stages li')).toHaveText([/Accepted\s+done/, /Image\s+under way/, /Started\s+to come/, /Ready\s+to come/]);
  gateway.put(session('friday'));
  await expect(page.locator('.stages .done')).toHaveCount(4);
  await expect(page.getByRole('listitem').filter({ hasText: '127.0.0.1:7007' })).toContainText('game TCP');
  await expect(page.getByRole('region', { name: 'Session as YAML' })).toContainText('name: friday');
});

test('the log is followed while it is looked at, and no longer', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  gateway.write('friday', 'server started\n');
  await open('#/sessions/friday');
  const log = page.getByRole('log');
  await expect(log).toContainText('server started');
  gateway.write('friday', 'alice joined\n');
  await expect(log).toHaveText('server started\nalice joined\n', { useInnerText: true });
  expect(gateway.requests.some((one) => one.path === '/sessions/friday/logs?tail=200&follow=true')).toBe(true);
  await page.getByRole('link', { name: 'All sessions' }).click();
  await expect(log).toHaveCount(0);
});

test('a log that never ends costs no more than its tail', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  gateway.write('friday', Array.from({ length: 3_000 }, (_, line) => `line ${line}\n`).join(''));
  await open('#/sessions/friday');
  const log = page.getByRole('log');
  await expect(log).toContainText('line 2999');
  const text = (await log.textContent()) ?? '';
  expect(text.split('\n').length).toBeLessThanOrEqual(1_002);
  gateway.write('friday', 'x'.repeat(400_000) + '\nthe end\n');
  await expect(log).toContainText('the end');
  expect(((await log.textContent()) ?? '').length).toBeLessThanOrEqual(200_000);
});

test('a session without a container has no log, and the page says so', async ({ page, gateway, open }) => {
  gateway.put(session('friday', 'Pending'));
  await open('#/sessions/friday');
  await expect(page.getByRole('log')).toHaveText('There is no container now, and so no log.');
});

test('a session that goes while it is looked at stays in words, and one that never was has none', async ({ page, gateway, open }) => {
  gateway.put(session('friday'));
  await open('#/sessions/friday');
  await expect(page.locator('.standing')).toContainText('Running');
  gateway.remove('friday');
  await expect(page.getByText('This session is gone.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Delete friday' })).toHaveCount(0);
  await page.goto(`${gateway.url}#/sessions/nobody`);
  await expect(page.getByText('There is no session nobody.')).toBeVisible();
});
