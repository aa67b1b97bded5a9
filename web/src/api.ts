// Calls to the gateway, through the thread that holds the token. Every failure is a `Problem` with words for people.

import type { Ask, Told } from './worker.ts';
import { t } from './texts.ts';

/** What went wrong; status 0: nobody answered. */
export class Problem extends Error {
  readonly status: number;
  readonly retryAfter: number | undefined;
  constructor(status: number, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

interface Waiting {
  answer(status: number, text: string, retryAfter?: number): void;
  open?(): void;
  text?(text: string): void;
  end(lost: boolean): void;
}

const waiting = new Map<number, Waiting>();
let last = 0;
let worker: Worker | undefined;

// With Trusted Types on, a script's address must come through a policy: this one lets through its own file and nothing else.
interface Trusted {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

function thread(): Worker {
  if (worker) return worker;
  const own = place('worker.js');
  const trusted = (globalThis as { trustedTypes?: Trusted }).trustedTypes;
  const policy = trusted?.createPolicy('dillinger', {
    createScriptURL: (url) => {
      if (url !== own) throw new TypeError(url);
      return url;
    },
  });
  worker = new Worker(policy ? policy.createScriptURL(own) : own, { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Told>) => {
    const one = waiting.get(data.id);
    if (!one) return;
    if (data.kind === 'open') one.open?.();
    else if (data.kind === 'text') one.text?.(data.text);
    else {
      waiting.delete(data.id);
      if (data.kind === 'answer') one.answer(data.status, data.text, data.retryAfter);
      else one.end(data.lost);
    }
  };
  return worker;
}

const say = (ask: Ask) => thread().postMessage(ask);
const place = (path: string) => new URL(path, document.baseURI).href;

/** From now on every call carries this token; empty: none. */
export function useToken(token: string): void {
  say({ kind: 'token', token });
}

function problem(status: number, text: string, retryAfter?: number): Problem {
  let words = '';
  try {
    const body = JSON.parse(text) as { detail?: unknown; message?: unknown; error?: unknown };
    const found = [body.detail, body.message, body.error].find((one) => typeof one === 'string' && one !== '');
    if (typeof found === 'string') words = found;
  } catch {
    // A proxy's own page: its number says more than its HTML.
  }
  return new Problem(status, words || t.answeredWith(status), retryAfter);
}

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
}

/** One call and its JSON answer. */
export function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const id = ++last;
    waiting.set(id, {
      answer(status, text, retryAfter) {
        if (status >= 400) return reject(problem(status, text, retryAfter));
        try {
          resolve(JSON.parse(text) as T);
        } catch {
          reject(new Problem(status, t.notOurs));
        }
      },
      end: () => reject(new Problem(0, t.noAnswer)),
    });
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    say({ kind: 'call', id, method, url: place(path), headers, stream: false, ...(body === undefined ? {} : { body }) });
  });
}

/** A stream of text until it ends, is lost or `signal` aborts. */
export function stream(
  path: string,
  accept: string,
  got: { open?: () => void; text: (text: string) => void },
  signal: AbortSignal,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const id = ++last;
    const abort = () => {
      waiting.delete(id);
      say({ kind: 'abort', id });
      resolve();
    };
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', abort, { once: true });
    const done = () => signal.removeEventListener('abort', abort);
    waiting.set(id, {
      answer(status, text, retryAfter) {
        done();
        if (status >= 400) return reject(problem(status, text, retryAfter));
        got.open?.();
        got.text(text);
        resolve();
      },
      ...got,
      end(lost) {
        done();
        if (lost) reject(new Problem(0, t.noAnswer));
        else resolve();
      },
    });
    say({ kind: 'call', id, method: 'GET', url: place(path), headers: { Accept: accept }, stream: true });
  });
}
