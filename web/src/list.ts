// Which sessions the table shows, in which order, and what it says about them. Pure.

import type { Session } from './shape.ts';
import { t } from './texts.ts';

export type Kind = keyof typeof t.status;

const PHASES: Record<string, Kind> = {
  Pending: 'pending',
  Starting: 'starting',
  Running: 'running',
  Stopping: 'stopping',
  Stopped: 'stopped',
  Succeeded: 'ended',
  TimedOut: 'timeup',
  Failed: 'failed',
  Unknown: 'unknown',
};
/** For phases of a newer controller: the five old words are always there. */
const OLD: Record<Session['status'], Kind> = {
  starting: 'starting',
  running: 'running',
  stopping: 'stopping',
  stopped: 'stopped',
  error: 'failed',
};

export function kind(session: Session): Kind {
  if (session.reason === 'Terminating' || (session.status === 'stopping' && session.phase !== 'Stopping')) return 'deleting';
  return PHASES[session.phase] ?? OLD[session.status] ?? 'unknown';
}

/** The word beside the icon: a phase that this page does not know is shown as it is. */
export const word = (session: Session) =>
  kind(session) !== 'deleting' && !(session.phase in PHASES) && session.phase ? session.phase : t.status[kind(session)];

export const finished = (session: Session) => ['ended', 'timeup', 'failed'].includes(kind(session));

/** On the way to a game that can be played. */
export const coming = (session: Session) => ['pending', 'starting'].includes(kind(session));

/** The reason, unless the status says as much. */
export function reason(session: Session): string {
  const plain = kind(session) === 'running' ? 'Ready' : kind(session) === 'stopped' ? 'Stopped' : '';
  return session.reason === plain ? '' : (session.reason ?? '');
}

export const COLUMNS = ['name', 'game', 'user', 'status', 'address', 'age', 'reason'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Wanted {
  search: string;
  status: string;
  game: string;
  user: string;
  sort: Column;
  down: boolean;
}

export function wanted(query: URLSearchParams): Wanted {
  const sort = COLUMNS.find((column) => column === query.get('sort')) ?? 'age';
  const text = (name: string) => query.get(name) ?? '';
  return { search: text('q'), status: text('status'), game: text('game'), user: text('user'), sort, down: text('order') === 'down' };
}

/** The query for these wishes; what is as usual is left out. */
export function query(wanted: Wanted): URLSearchParams {
  const query = new URLSearchParams();
  const put = (name: string, value: string) => {
    if (value) query.set(name, value);
  };
  put('q', wanted.search);
  put('status', wanted.status);
  put('game', wanted.game);
  put('user', wanted.user);
  put('sort', wanted.sort === 'age' ? '' : wanted.sort);
  put('order', wanted.down ? 'down' : '');
  return query;
}

const collator = new Intl.Collator(t.language, { numeric: true, sensitivity: 'base' });
const ORDER = Object.keys(t.status);

const KEYS: Record<Column, (a: Session, b: Session) => number> = {
  name: (a, b) => collator.compare(a.id, b.id),
  game: (a, b) => collator.compare(a.game, b.game),
  user: (a, b) => collator.compare(a.userId, b.userId),
  status: (a, b) => ORDER.indexOf(kind(a)) - ORDER.indexOf(kind(b)),
  address: (a, b) => collator.compare(a.address ?? '\uffff', b.address ?? '\uffff'),
  // The youngest first.
  age: (a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0),
  reason: (a, b) => collator.compare(reason(a) || '\uffff', reason(b) || '\uffff'),
};

export function shown(sessions: Iterable<Session>, wanted: Wanted): Session[] {
  const words = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (one: Session) => {
    if (wanted.status && kind(one) !== wanted.status) return false;
    if (wanted.game && one.game !== wanted.game) return false;
    if (wanted.user && one.userId !== wanted.user) return false;
    if (words.length === 0) return true;
    const text = `${one.id} ${one.game} ${one.gameId} ${one.userId} ${one.address ?? ''} ${word(one)} ${one.reason ?? ''}`.toLowerCase();
    return words.every((part) => text.includes(part));
  };
  const rows = [...sessions].filter(fits);
  const by = KEYS[wanted.sort];
  const turn = wanted.down ? -1 : 1;
  // The name decides between equals, so that no row moves for nothing.
  return rows.sort((a, b) => turn * by(a, b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

export function counts(all: Iterable<Session>, shown: number): string {
  let [number, ready, failed] = [0, 0, 0];
  for (const one of all) {
    number += 1;
    if (one.ready) ready += 1;
    if (kind(one) === 'failed') failed += 1;
  }
  return t.counts(shown, number, ready, failed);
}

/** Values of one member, each once, in order: for the filters. */
export function values(sessions: Iterable<Session>, of: (session: Session) => string): string[] {
  return [...new Set([...sessions].map(of))].sort(collator.compare);
}
