// The dialog that makes a session.

import { expect, row, session, test } from './page.ts';

test('a form made from the game refuses a wrong value where it stands, and a right one becomes a session', async ({ page, gateway, open }) => {
  await open();
  await page.getByRole('link', { name: 'New session' }).click();
  const dialog = page.getByRole('dialog', { name: 'New session' });
  await dialog.getByLabel('Game').selectOption('arena');
  await expect(dialog.getByText('It has no storage')).toBeVisible();
  await expect(dialog.getByLabel('MAX_PLAYERS')).toHaveValue('8');
  await expect(dialog.getByText('Most players at once · Default: 8 · Must match [0-9]{1,2}')).toBeVisible();
  await expect(dialog.getByLabel('GAME_ID')).toHaveCount(0);
  await dialog.getByLabel('MAX_PLAYERS').fill('many');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByText('The whole value must match [0-9]{1,2}')).toBeVisible();
  await expect(dialog.getByText('A value is needed here.')).toBeVisible();
  await expect(dialog.getByLabel('MAX_PLAYERS')).toBeFocused();
  await expect(dialog.getByLabel('MAX_PLAYERS')).toHaveAttribute('aria-invalid', 'true');
  expect(gateway.sessions.size).toBe(0);

  await dialog.getByLabel('MAX_PLAYERS').fill('4');
  await dialog.getByLabel('SERVER_NAME').fill('mine');
  await dialog.getByLabel('MAP').selectOption('ctf2');
  await dialog.getByLabel('User').fill('bob');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: 'made-1' })).toBeVisible();
  await expect(page.locator('.standing')).toContainText('Running');
  const asked = gateway.requests.find((one) => one.method === 'POST');
  expect(JSON.parse(asked?.body ?? '')).toEqual({
    gameId: 'arena',
    userId: 'bob',
    gameConfig: { type: 'arena', map: 'ctf2', max_players: '4', server_name: 'mine' },
  });
  expect(asked?.headers['prefer']).toBe('respond-async');
  expect(asked?.headers['idempotency-key']).toMatch(/^[\d-]{7,}$/);
});

test('what the gateway refuses stands in the dialog, and the form keeps what was written', async ({ page, gateway, open }) => {
  await open('#/new?game=arena');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('SERVER_NAME').fill('mine');
  gateway.refuseNext = { status: 422, detail: 'spec.user: Invalid value: "bob": <b>no</b>' };
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByRole('alert')).toHaveText('Nothing was created: spec.user: Invalid value: "bob": <b>no</b>');
  await expect(dialog.getByLabel('SERVER_NAME')).toHaveValue('mine');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: 'made-1' })).toBeVisible();
  expect(gateway.sessions.size).toBe(1);
});

test('a lost answer and a second try are one session', async ({ page, gateway, open }) => {
  await open('#/new?game=wesnoth');
  const dialog = page.getByRole('dialog');
  gateway.loseAnswers = 1;
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(dialog.getByRole('alert')).toHaveText('Nothing was created: the gateway does not answer');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: 'made-1' })).toBeVisible();
  expect([...gateway.sessions.keys()]).toEqual(['made-1']);
  const keys = gateway.requests.filter((one) => one.method === 'POST').map((one) => one.headers['idempotency-key']);
  expect(keys).toEqual([keys[0], keys[0]]);
});

test('the same thing stands there as YAML', async ({ page, open }) => {
  await open('#/new?game=arena');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('SERVER_NAME').fill('- "x": #');
  await dialog.getByText('The same as YAML').click();
  await expect(dialog.locator('pre')).toContainText('kind: GameSession');
  await expect(dialog.locator('pre')).toContainText('value: "- \\"x\\": #"');
});

test('a game that ended is played again with what it had', async ({ page, gateway, open }) => {
  gateway.put(session('duel', 'Failed', { game: 'arena', userId: 'bob' }));
  gateway.resources.set('duel', { metadata: { name: 'duel' }, spec: { parameters: [{ name: 'SERVER_NAME', value: 'ours' }] } });
  await open();
  await row(page, 'duel').getByRole('link', { name: 'Play again duel' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Game')).toHaveValue('arena');
  await expect(dialog.getByLabel('User')).toHaveValue('bob');
  await expect(dialog.getByLabel('SERVER_NAME')).toHaveValue('ours');
});

test('without a game there is nothing to create, and the page says what to do', async ({ page, gateway, open }) => {
  gateway.games = [];
  await open();
  await expect(page.getByText('kubectl apply -f my-game.yaml')).toBeVisible();
  await page.getByRole('link', { name: 'New session' }).click();
  await expect(page.getByRole('dialog').getByText('There is no game yet.')).toBeVisible();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('the catalog says what each game keeps, and leads to its form', async ({ page, open }) => {
  await open('#/games');
  const arena = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'Arena' }) });
  await expect(arena).toContainText('It has no storage: a stop ends what was played.');
  await expect(arena).toContainText('Ports: game, query · Runs on: Docker, Pod · 3 settings');
  await arena.getByRole('link', { name: 'Play Arena' }).click();
  await expect(page.getByRole('dialog').getByLabel('Game')).toHaveValue('arena');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByRole('heading', { name: 'Games' })).toBeVisible();
});
