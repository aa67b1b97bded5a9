// The only place that holds a token: a thread of its own, which takes it once and never gives it back. Scripts of the page
// can ask it to call the gateway; they cannot read what it sends as Authorization.

export type Ask =
  | { kind: 'token'; token: string }
  | { kind: 'call'; id: number; method: string; url: string; headers: Record<string, string>; body?: string; stream: boolean }
  | { kind: 'abort'; id: number };

export type Told =
  | { kind: 'answer'; id: number; status: number; text: string; retryAfter?: number }
  | { kind: 'open'; id: number }
  | { kind: 'text'; id: number; text: string }
  | { kind: 'end'; id: number; lost: boolean };

/** A stream that says nothing for so long is dead: the gateway gives a sign of life every 15 s. */
const SILENCE = 40_000;

/** Where the gateway is served: the folder of this script. Beside it, on the same origin, others may be served (an ingress, a proxy). */
const HOME = new URL('.', self.location.href).href;

const calls = new Map<number, AbortController>();
let token = '';

const tell = (told: Told) => self.postMessage(told);

async function call(ask: Extract<Ask, { kind: 'call' }>): Promise<void> {
  const { id, method, url, body } = ask;
  const control = new AbortController();
  calls.set(id, control);
  const headers: Record<string, string> = { ...ask.headers };
  if (token && new URL(url).href.startsWith(HOME)) headers['Authorization'] = `Bearer ${token}`;
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: body ?? null,
      signal: control.signal,
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    if (ask.stream && response.ok && response.body) {
      tell({ kind: 'open', id });
      await pass(id, response.body, control);
      tell({ kind: 'end', id, lost: false });
      return;
    }
    const text = await response.text();
    const wait = Number(response.headers.get('Retry-After'));
    tell({ kind: 'answer', id, status: response.status, text, ...(wait > 0 ? { retryAfter: wait } : {}) });
  } catch {
    tell({ kind: 'end', id, lost: true });
  } finally {
    calls.delete(id);
  }
}

async function pass(id: number, body: ReadableStream<Uint8Array>, control: AbortController): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  for (;;) {
    const silent = setTimeout(() => control.abort(), SILENCE);
    const { done, value } = await reader.read().finally(() => clearTimeout(silent));
    if (done) return;
    tell({ kind: 'text', id, text: value });
  }
}

self.onmessage = ({ data }: MessageEvent<Ask>) => {
  if (data.kind === 'token') token = data.token;
  else if (data.kind === 'abort') calls.get(data.id)?.abort();
  else void call(data);
};
