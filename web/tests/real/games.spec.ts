// Real games, seen and run in a browser: a real API server, a real engine, the program itself. One story after the other, on one
// controller.

import { expect, test, type Page } from '@playwright/test';

import { POLICY } from '../gateway.ts';
import { Program, kubectl, prepare, proxy, sessionYaml } from './world.ts';

test.describe.configure({ mode: 'serial' });

const NAMESPACE = 'page';
const program = new Program('run', NAMESPACE);
const inside = (...args: string[]) => kubectl([...args, '-n', NAMESPACE]);
const row = (page: Page, id: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name: id, exact: true }) });
/** Longest that a real game takes to start here. */
const LONG = { timeout: 60_000 };

test.beforeAll(async () => {
  prepare(NAMESPACE, ['wesnoth', 'teeworlds']);
  await program.start();
});
test.afterAll(async () => {
  kubectl(['delete', 'gamesessions', '--all', '-n', NAMESPACE, '--timeout=60s']);
  await program.kill();
});

test('the files of the page come with the policy that its tests run under', async ({ request }) => {
  for (const path of ['', 'page.js', 'worker.js', 'page.css', 'icon.svg']) {
    const answer = await request.get(program.url + path);
    expect(answer.status(), path).toBe(200);
    expect(answer.headers()['content-security-policy']).toBe(POLICY);
    const tag = answer.headers()['etag'] ?? '';
    const again = await request.get(program.url + path, { headers: { 'If-None-Match': tag } });
    expect(again.status(), path).toBe(304);
  }
});

test('a session that kubectl applies appears, turns ready, and its address answers', async ({ page }) => {
  await page.goto(program.url);
  await expect(page.getByText('There is no session yet.')).toBeVisible();
  kubectl(['apply', '-n', NAMESPACE, '-f', '-'], sessionYaml('friday', 'wesnoth'));
  await expect(row(page, 'friday')).toContainText('Running', LONG);
  const address = inside('get', 'gamesession', 'friday', '-o', 'jsonpath={.status.address}');
  await expect(row(page, 'friday')).toContainText(address);
});

test('conditions, addresses and the YAML of a session are those of kubectl', async ({ page }) => {
  await page.goto(`${program.url}#/sessions/friday`);
  await expect(page.locator('.stages .done')).toHaveCount(4);
  for (const type of ['Accepted', 'ImageReady', 'Started', 'Ready']) await expect(page.locator('.timeline')).toContainText(`${type}: True`);
  const yaml = (await page.getByRole('region', { name: 'Session as YAML' }).textContent()) ?? '';
  const { metadata, spec } = JSON.parse(kubectl(['create', '--dry-run=client', '-o', 'json', '-f', '-'], yaml));
  expect(metadata).toMatchObject({ name: 'friday', namespace: NAMESPACE });
  expect(spec).toEqual(JSON.parse(inside('get', 'gamesession', 'friday', '-o', 'json')).spec);
  kubectl(['apply', '--dry-run=server', '-f', '-'], yaml);
});

test('the page outlives the program, and the game does too', async ({ page }) => {
  await page.goto(program.url);
  await expect(row(page, 'friday')).toContainText('Running');
  await program.kill();
  await expect(page.getByText('No connection to the gateway')).toBeVisible();
  await expect(row(page, 'friday')).toContainText('Running');
  await program.start();
  await page.getByRole('button', { name: 'Try now' }).click({ timeout: 5_000 }).catch(() => undefined);
  await expect(page.getByText('No connection to the gateway')).toHaveCount(0, LONG);
  kubectl(['apply', '-n', NAMESPACE, '-f', '-'], sessionYaml('sunday', 'wesnoth'));
  await expect(row(page, 'sunday')).toContainText('Running', LONG);
});

test('stop keeps the world, start resumes it, delete takes it away', async ({ page }) => {
  await page.goto(program.url);
  await page.getByRole('button', { name: 'Stop friday' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
  await expect(row(page, 'friday')).toContainText('Stopped', LONG);
  expect(inside('get', 'gamesession', 'friday', '-o', 'jsonpath={.spec.desiredState}')).toBe('Stopped');
  await page.getByRole('button', { name: 'Start friday' }).click();
  await expect(row(page, 'friday')).toContainText('Running', LONG);
  await page.getByRole('button', { name: 'Delete sunday' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(row(page, 'sunday')).toHaveCount(0, LONG);
  expect(inside('get', 'gamesessions', '-o', 'name')).toBe('gamesession.dillinger.dev/friday\n');
});

test('a form refuses what the browser can tell, and the controller what it cannot', async ({ page }) => {
  await page.goto(`${program.url}#/new?game=teeworlds`);
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('MAX_PLAYERS').fill('65');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByText('The whole value must match')).toBeVisible();
  await dialog.getByLabel('MAX_PLAYERS').fill('4');
  await dialog.getByLabel('NAME', { exact: true }).fill('münchen');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.locator('.standing')).toContainText('ParametersInvalid', LONG);
  await expect(page.locator('.standing')).toContainText('münchen');
});

test('a right form becomes a game, and its log is followed', async ({ page }) => {
  await page.goto(`${program.url}#/new?game=teeworlds`);
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('User').fill('bob');
  await dialog.getByLabel('NAME', { exact: true }).fill('munich');
  await dialog.getByLabel('MAP').selectOption('ctf2');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.locator('.standing')).toContainText('Running', LONG);
  await expect(page.getByRole('log')).toContainText('[server]: version', LONG);
  const id = decodeURIComponent(new URL(page.url()).hash.split('/').at(-1) ?? '');
  const set = inside('get', 'gamesession', id, '-o', 'jsonpath={.spec.parameters[?(@.name=="MAP")].value}');
  expect(set).toBe('ctf2');
});

test('with tokens: who may look sees, and who may not stop is told so', async ({ page }) => {
  const gateway = new Program('gateway', NAMESPACE, ['--auth', 'kubernetes']);
  await gateway.start();
  inside('create', 'serviceaccount', 'viewer');
  inside('create', 'role', 'viewer', '--verb=get,list,watch', '--resource=gamesessions.dillinger.dev,games.dillinger.dev');
  inside('create', 'rolebinding', 'viewer', '--role=viewer', `--serviceaccount=${NAMESPACE}:viewer`);
  const token = inside('create', 'token', 'viewer', '--audience=dillinger-gateway').trim();
  await page.goto(gateway.url);
  await page.getByLabel('Token').fill('nonsense');
  await page.getByLabel('Token').press('Enter');
  await expect(page.getByText('Not accepted')).toBeVisible();
  await page.getByLabel('Token').fill(token);
  await page.getByLabel('Token').press('Enter');
  await expect(row(page, 'friday')).toBeVisible();
  await page.getByRole('button', { name: 'Stop friday' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText(/friday could not be stopped: .*may not patch gamesessions/)).toBeVisible();
  await gateway.kill();
});

test('from a change at the API server to the row', async ({ page }) => {
  const api = await proxy();
  await page.goto(program.url);
  await expect(row(page, 'friday')).toBeVisible();
  await page.evaluate(() => {
    const seen: number[] = [];
    const counts = document.querySelector('.counts') ?? document.body;
    new MutationObserver(() => seen.push(Date.now())).observe(counts, { subtree: true, characterData: true, childList: true });
    Object.assign(window, { seen });
  });
  const seen = () => page.evaluate(() => (window as unknown as { seen: number[] }).seen);
  const times: number[] = [];
  for (let turn = 0; turn < 21; turn += 1) {
    const name = `probe-${turn}`;
    const spec = { gameRef: { name: 'wesnoth' }, user: 'alice', desiredState: 'Stopped' };
    const body = JSON.stringify({ apiVersion: 'dillinger.dev/v1alpha1', kind: 'GameSession', metadata: { name, labels: { probe: 'yes' } }, spec });
    const before = (await seen()).length;
    const sent = Date.now();
    const answer = await fetch(`${api.url}/apis/dillinger.dev/v1alpha1/namespaces/${NAMESPACE}/gamesessions`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    });
    expect(answer.status).toBe(201);
    await expect(row(page, name)).toBeVisible();
    times.push(((await seen())[before] ?? Infinity) - sent);
  }
  api.end();
  inside('delete', 'gamesessions', '-l', 'probe=yes', '--timeout=60s');
  times.sort((a, b) => a - b);
  console.log(`a POST to the API server to the row: p50 ${times[10]} ms, longest ${times.at(-1)} ms of ${times.length}`);
});

// Pictures for the documentation, of what the tests above have left: PICTURES=FOLDER.
const folder = process.env['PICTURES'];
if (folder) {
  const taken = async (page: Page, name: string, text: string, width = 1280, height = 800) => {
    await page.setViewportSize({ width, height });
    await expect(page.getByText(text).locator('visible=true').first()).toBeVisible(LONG);
    await expect(page.getByText('Loading…')).toHaveCount(0);
    await page.screenshot({ path: `${folder}/${name}.png` });
  };

  test('pictures of a real run', async ({ page }) => {
    kubectl(['apply', '-n', NAMESPACE, '-f', '-'], sessionYaml('league', 'wesnoth', 'carol', 'Stopped'));
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const at = (place: string) => page.goto(program.url + place);
    await at('');
    await expect(row(page, 'league')).toContainText('Stopped', LONG);
    await taken(page, 'table-1280-light', 'friday', 1280, 480);
    await taken(page, 'table-400-light', 'friday', 400);
    await page.emulateMedia({ colorScheme: 'dark' });
    await taken(page, 'table-1280-dark', 'friday', 1280, 480);
    await page.emulateMedia({ colorScheme: 'light' });
    await at('#/new?game=teeworlds');
    await taken(page, 'create-1280-light', 'MAX_PLAYERS');
    await at('#/games');
    await taken(page, 'games-1280-light', 'The Battle for Wesnoth', 1280, 480);
    await at('#/sessions/friday');
    await taken(page, 'detail-1280-light', 'Accepted: True', 1280, 1240);
  });

  test('pictures of who is not let in, and of who has lost the gateway', async ({ page }) => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    const gateway = new Program('gateway', NAMESPACE, ['--auth', 'kubernetes']);
    await gateway.start();
    await page.goto(gateway.url);
    await taken(page, 'sign-in-1280-light', 'Sign in', 1280, 400);
    await gateway.kill();
    await page.goto(program.url);
    await expect(row(page, 'friday')).toBeVisible();
    await program.kill();
    await taken(page, 'offline-1280-light', 'No connection to the gateway', 1280, 480);
    await program.start();
  });
}
