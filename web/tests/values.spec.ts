// The pure parts of the page: values in, values out; no browser.

import { readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@playwright/test';

import { link, read } from '../src/address.ts';
import { counts, kind, query, reason, shown, wanted, word } from '../src/list.ts';
import { chosen, defaults, numeric, request, wrong } from '../src/parameters.ts';
import type { Resource } from '../src/shape.ts';
import { eventReader } from '../src/sse.ts';
import { t } from '../src/texts.ts';
import { stages, timeline } from '../src/timeline.ts';
import { sessionYaml, wishYaml, yaml } from '../src/yaml.ts';
import { ARENA, session } from './gateway.ts';

const wish = (text: string) => wanted(new URLSearchParams(text));
const ids = (text: string, sessions: ReturnType<typeof session>[]) => shown(sessions, wish(text)).map((one) => one.id);

test('events are the same however the stream is cut', () => {
  const text = ': alive\n\nid: 4\nevent: snapshot\nretry: 2000\ndata: [1,\ndata: 2]\n\nevent: session\r\ndata:{"ü":1}\r\n\r\ndata: x\n\nevent: half\n';
  const whole = [
    { name: 'snapshot', data: '[1,\n2]' },
    { name: 'session', data: '{"ü":1}' },
    { name: 'message', data: 'x' },
  ];
  expect(eventReader()(text)).toEqual(whole);
  for (let cut = 1; cut < text.length; cut += 1) {
    const reader = eventReader();
    expect([...reader(text.slice(0, cut)), ...reader(text.slice(cut))]).toEqual(whole);
  }
  const reader = eventReader();
  expect([...text].flatMap((letter) => reader(letter))).toEqual(whole);
});

test('the status is the phase, a deletion comes before it, and a phase of a newer controller is shown as it is', () => {
  expect(kind(session('a', 'TimedOut'))).toBe('timeup');
  expect(kind(session('a', 'Running', { status: 'stopping' }))).toBe('deleting');
  expect(kind(session('a', 'Stopping', { status: 'stopping' }))).toBe('stopping');
  const newer = session('a', 'Hibernating', { status: 'stopped' });
  expect([kind(newer), word(newer)]).toEqual(['stopped', 'Hibernating']);
  expect(word(session('a', 'Pending'))).toBe(t.status.pending);
  expect(reason(session('a'))).toBe('');
  expect(reason(session('a', 'Starting', { reason: 'PullingImage' }))).toBe('PullingImage');
});

test('search and filters hold together, and words are looked for everywhere', () => {
  const some = [
    session('friday', 'Running', { userId: 'alice', game: 'wesnoth', address: '10.0.0.1:7007' }),
    session('league', 'Failed', { userId: 'bob', game: 'wesnoth', reason: 'OOMKilled' }),
    session('duel', 'Running', { userId: 'bob', game: 'arena', gameId: 'arena', address: '10.0.0.1:7010' }),
  ];
  expect(ids('q=BOB', some)).toEqual(['duel', 'league']);
  expect(ids('q=bob+wes', some)).toEqual(['league']);
  expect(ids('q=7010', some)).toEqual(['duel']);
  expect(ids('q=oom', some)).toEqual(['league']);
  expect(ids('status=running&game=arena', some)).toEqual(['duel']);
  expect(ids('user=alice&status=failed', some)).toEqual([]);
  expect(counts(some, 1)).toBe('1 of 3 sessions, 2 ready, 1 failed');
});

test('rows stand in the order that was asked for, and equals never change places', () => {
  const at = (minutes: number) => ({ created: new Date(1e12 + minutes * 60_000).toISOString() });
  const some = [session('b2', 'Failed', at(2)), session('b10', 'Running', at(3)), session('a', 'Pending', at(1)), session('c', 'Running', at(1))];
  expect(ids('', some)).toEqual(['b10', 'b2', 'a', 'c']);
  expect(ids('', [...some].reverse())).toEqual(['b10', 'b2', 'a', 'c']);
  expect(ids('sort=name', some)).toEqual(['a', 'b2', 'b10', 'c']);
  expect(ids('sort=name&order=down', some)).toEqual(['c', 'b10', 'b2', 'a']);
  expect(ids('sort=status', some)).toEqual(['a', 'b10', 'c', 'b2']);
  expect(ids('sort=nonsense', some)).toEqual(ids('', some));
});

test('what is asked for goes into the address and comes back out of it', () => {
  const text = 'q=a+b&status=failed&game=w&user=x&sort=name&order=down';
  expect(query(wish(text)).toString()).toBe(text);
  expect(query(wish('')).toString()).toBe('');
  for (const id of ['friday', 'a/b', 'ü %', '..', '<b>']) expect(read(link.session(id))).toMatchObject({ view: 'session', id });
  expect(read('#/sessions/%E0%A4%A').id).toBe('%E0%A4%A');
  expect(read('#/games').view).toBe('games');
  expect(read('').view).toBe('sessions');
  expect(read(link.new({ game: 'a&b' })).query.get('game')).toBe('a&b');
});

test('a value is held against what the game declares, as far as a browser can tell', () => {
  const [map, players, name] = ARENA.parameters;
  expect(wrong(map!, 'dm9')).toBe(t.doesNotMatch('dm1, ctf2'));
  expect(wrong(map!, 'ctf2')).toBeUndefined();
  expect(wrong(players!, '123')).toBe(t.doesNotMatch('[0-9]{1,2}'));
  expect(wrong(players!, '12\n')).toBe(t.doesNotMatch('[0-9]{1,2}'));
  expect(wrong(players!, '')).toBeUndefined();
  expect(wrong(name!, '')).toBe(t.isMissing);
  // Rust counts bytes: beyond ASCII the controller decides, and so where the browser cannot read the pattern.
  expect(wrong({ name: 'X', pattern: '.{1,2}' }, 'äöü')).toBeUndefined();
  expect(wrong({ name: 'X', pattern: '(?P<a>x)++' }, 'y')).toBeUndefined();
  expect([numeric(players!), numeric(name!)]).toEqual([true, false]);
});

test('a session sets what differs from the defaults, in the words that the gateway reads', () => {
  const values = { ...defaults(ARENA), SERVER_NAME: 'mine', MAX_PLAYERS: '4' };
  expect(values).toEqual({ MAP: 'dm1', MAX_PLAYERS: '4', SERVER_NAME: 'mine' });
  expect(chosen(ARENA, values)).toEqual({ MAX_PLAYERS: '4', SERVER_NAME: 'mine' });
  expect(request(ARENA, 'alice', values)).toEqual({
    gameId: 'arena',
    userId: 'alice',
    gameConfig: { type: 'arena', max_players: '4', server_name: 'mine' },
  });
  const typed = { ...ARENA, parameters: [{ name: 'TYPE' }] };
  expect(request(typed, 'a', { TYPE: 'x' })).toMatchObject({ gameConfig: { type: 'arena', TYPE: 'x' } });
});

test('YAML that is shown is the session, whatever stands in it', () => {
  expect(wishYaml('friday', 'wesnoth', 'alice', { MAP: 'dm1' })).toBe(
    [
      'apiVersion: dillinger.dev/v1alpha1',
      'kind: GameSession',
      'metadata:',
      '  name: friday',
      'spec:',
      '  gameRef:',
      '    name: wesnoth',
      '  user: alice',
      '  parameters:',
      '  - name: MAP',
      '    value: dm1',
      '',
    ].join('\n'),
  );
  expect(yaml({ a: 'no', b: '1.5', c: 'x: y\n- z', d: 3, e: [], f: [['a', 'b']], g: undefined })).toBe(
    'a: "no"\nb: "1.5"\nc: "x: y\\n- z"\nd: 3\ne: []\nf:\n- - a\n  - b\n',
  );
  expect(yaml({ a: '\u2028\u0085' })).toBe('a: "\\u2028\\u0085"\n');
  expect(sessionYaml(session('friday'), undefined)).toContain('desiredState: Running');
});

const RESOURCE: Resource = {
  metadata: { name: 'friday' },
  spec: {},
  status: {
    lastExit: { reason: 'Error', exitCode: 3, finishTime: '2026-01-01T00:00:05Z' },
    conditions: [
      { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: '2026-01-01T00:00:01Z' },
      { type: 'ImageReady', status: 'True', reason: 'ImagePresent', message: '', lastTransitionTime: '2026-01-01T00:00:02Z' },
      { type: 'Started', status: 'False', reason: 'BackOff', message: 'again in 10 s', lastTransitionTime: '2026-01-01T00:00:06Z' },
      { type: 'Ready', status: 'False', reason: 'BackOff', message: 'again in 10 s', lastTransitionTime: '2026-01-01T00:00:06Z' },
      { type: 'Finished', status: 'False', reason: 'NotFinished', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ],
  },
};

test('the timeline has conditions, events and moments, the newest first', () => {
  const one = session('friday', 'Starting', { created: '2026-01-01T00:00:00Z', reason: 'BackOff' });
  const events = [{ time: '2026-01-01T00:00:07Z', type: 'Warning', reason: 'BackOff', message: 'exit code 3', count: 4 }];
  const entries = timeline(one, RESOURCE, events);
  expect(entries.map((entry) => entry.what)).toEqual([
    'BackOff',
    'Ready: False',
    'Started: False',
    t.moment.exited,
    'ImageReady: True',
    'Accepted: True',
    t.moment.created,
  ]);
  expect(entries[0]).toMatchObject({ words: 'exit code 3 (4 times)', bad: true });
  expect(entries[3]?.words).toBe('Error, exit code 3');
  expect(timeline(one, undefined, [])).toHaveLength(1);
  // A condition of the second in which it was created comes after that.
  const [accepted] = RESOURCE.status?.conditions ?? [];
  const early = timeline(one, { ...RESOURCE, status: { conditions: [{ ...accepted!, lastTransitionTime: one.created }] } }, []);
  expect(early.map((entry) => entry.what)).toEqual(['Accepted: True', t.moment.created]);
});

test('how far a session is comes from its conditions, and from its reason where there are none', () => {
  const states = (...of: Parameters<typeof stages>) => stages(...of).map((one) => one.state).join(' ');
  const starting = session('a', 'Starting', { reason: 'BackOff' });
  expect(states(starting, RESOURCE)).toBe('done done now wait');
  expect(states(session('a', 'Starting', { reason: 'PullingImage' }), undefined)).toBe('done now wait wait');
  expect(states(session('a', 'Starting', { reason: 'WaitingForReady' }), undefined)).toBe('done done done now');
  expect(states(session('a', 'Running'), undefined)).toBe('done done done done');
  expect(states(session('a', 'Failed', { reason: 'StartFailed' }), undefined)).toBe('done done failed wait');
  expect(states(session('a', 'Stopped'), undefined)).toBe('done done wait wait');
});

test('all that a browser loads is below 30 kB, packed', () => {
  const dist = new URL('../dist/', import.meta.url);
  const sizes = readdirSync(dist).map((name) => gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length);
  expect(sizes.length).toBeGreaterThanOrEqual(5);
  const sum = sizes.reduce((a, b) => a + b, 0);
  console.log(`bundle: ${sum} bytes gzipped in ${sizes.length} files`);
  expect(sum).toBeLessThan(30_000);
});

test('no file of the page holds a script or a style of its own, or an address elsewhere', () => {
  const html = readFileSync(new URL('../dist/index.html', import.meta.url), 'utf8');
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=/);
  for (const [, path] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(path).toMatch(/^\.\/\w+\.\w+$/);
});
