// What the page knows: a copy of the gateway's sessions, kept by its stream of events, and how it stands with the gateway.

import { useEffect, useState } from 'preact/hooks';

import { Problem, call, stream, useToken } from './api.ts';
import type { Game, Session } from './shape.ts';
import { eventReader, type ServerEvent } from './sse.ts';
import { t } from './texts.ts';

export type Link =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'lost'; since: Date | undefined; next: number; why: string }
  | { state: 'sign-in'; why: string }
  | { state: 'forbidden'; why: string };

export interface Known {
  link: Link;
  /** A new map with each change; undefined before the first list. */
  sessions: ReadonlyMap<string, Session> | undefined;
  games: Game[] | undefined;
  gamesProblem: Problem | undefined;
  signedIn: boolean;
  /** Sessions with a call under way. */
  busy: ReadonlySet<string>;
  notice: { text: string; bad: boolean; number: number } | undefined;
}

let known: Known = {
  link: { state: 'connecting' },
  sessions: undefined,
  games: undefined,
  gamesProblem: undefined,
  signedIn: false,
  busy: new Set(),
  notice: undefined,
};
const listeners = new Set<() => void>();

function set(change: Partial<Known>): void {
  known = { ...known, ...change };
  for (const listener of listeners) listener();
}

/** The part that `of` chooses; the component is drawn again when it is another one. */
export function useKnown<T>(of: (known: Known) => T): T {
  const [value, setValue] = useState(() => of(known));
  useEffect(() => {
    const look = () => setValue(() => of(known));
    look();
    listeners.add(look);
    return () => void listeners.delete(look);
  }, []);
  return value;
}

// ---- following ---------------------------------------------------------------------------------

/** Changes that came and are not drawn yet: many in one frame are one drawing. */
let copy: Map<string, Session> | undefined;
let drawing = false;
let last: Date | undefined;

function take({ name, data }: ServerEvent): void {
  const body: unknown = JSON.parse(data);
  if (name === 'snapshot') copy = new Map((body as Session[]).map((one) => [one.id, one]));
  else if (name === 'session') copy?.set((body as Session).id, body as Session);
  else if (name === 'gone') copy?.delete((body as { id: string }).id);
  else return;
  if (drawing) return;
  drawing = true;
  // Not requestAnimationFrame: a hidden page has no frames, and would be told of nothing.
  setTimeout(() => {
    drawing = false;
    if (copy) set({ sessions: new Map(copy) });
  }, 16);
}

let following: AbortController | undefined;
let waking: ReturnType<typeof setTimeout> | undefined;
let tries = 0;

/** Follows the gateway until told otherwise; a lost stream is opened again after a growing wait. */
export async function follow(): Promise<void> {
  clearTimeout(waking);
  following?.abort();
  const mine = new AbortController();
  following = mine;
  const reader = eventReader();
  const got = {
    open() {
      tries = 0;
      set({ link: { state: 'live' } });
      void readGames();
    },
    text(text: string) {
      last = new Date();
      reader(text).forEach(take);
    },
  };
  let why = '';
  try {
    await stream('events', 'text/event-stream', got, mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    const problem = error instanceof Problem ? error : new Problem(0, String(error));
    if (problem.status === 401) return set({ link: { state: 'sign-in', why: known.signedIn ? problem.message : '' }, sessions: undefined });
    if (problem.status === 403) return set({ link: { state: 'forbidden', why: problem.message }, sessions: undefined });
    why = problem.message;
    tries += 1;
    if (problem.retryAfter) tries = Math.max(tries, 2);
  }
  if (mine.signal.aborted) return;
  const wait = [0.3, 1, 2, 4, 8][tries] ?? 15;
  // A stream that ended in order (rights are looked at anew, the gateway restarts) is no news: the next one comes at once.
  if (tries > 0) set({ link: { state: 'lost', since: last, next: Date.now() + wait * 1000, why } });
  waking = setTimeout(() => void follow(), wait * 1000);
}

/** A hidden page gives its connection back: a browser has six for one place, and each page holds one. */
export function followWhileSeen(): void {
  let leave: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(leave);
    if (document.hidden) {
      leave = setTimeout(() => {
        clearTimeout(waking);
        following?.abort();
        following = undefined;
      }, 60_000);
    } else if (!following && known.link.state !== 'sign-in') void follow();
  });
  window.addEventListener('online', () => {
    if (known.link.state === 'lost') void follow();
  });
  void follow();
}

export async function readGames(): Promise<void> {
  try {
    set({ games: await call<Game[]>('GET', 'games'), gamesProblem: undefined });
  } catch (error) {
    set({ gamesProblem: error instanceof Problem ? error : new Problem(0, String(error)) });
  }
}

// ---- acts --------------------------------------------------------------------------------------

export function signIn(token: string): Promise<void> {
  useToken(token);
  set({ signedIn: token !== '', link: { state: 'connecting' } });
  return follow();
}

export function signOut(): void {
  following?.abort();
  clearTimeout(waking);
  useToken('');
  copy = undefined;
  set({ signedIn: false, sessions: undefined, games: undefined, link: { state: 'sign-in', why: '' } });
}

let notices = 0;
export function notify(text: string, bad = false): void {
  set({ notice: { text, bad, number: ++notices } });
}
export const forgetNotice = () => set({ notice: undefined });

export type Act = 'stop' | 'start' | 'delete';

/** Asks the gateway; what becomes of it comes with the events. */
export async function act(what: Act, id: string): Promise<void> {
  set({ busy: new Set([...known.busy, id]) });
  const path = `sessions/${encodeURIComponent(id)}`;
  try {
    await (what === 'delete' ? call('DELETE', path) : call('POST', `${path}/${what}`));
    notify(t.asked[what](id));
  } catch (error) {
    notify(t.failedTo[what](id, error instanceof Error ? error.message : String(error)), true);
  } finally {
    const busy = new Set(known.busy);
    busy.delete(id);
    set({ busy });
  }
}
