// A small gateway for the tests of the page: the same calls, shapes and headers as the real one, and hands to make it
// do what a bad day does.

import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join } from 'node:path';

import type { Game, Happening, Resource, Session } from '../src/shape.ts';

const DIST = new URL('../dist/', import.meta.url).pathname;
const TYPES: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
/** As in src/gateway/page.rs. */
export const POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dillinger";

export const PHASE_STATUS: Record<string, Session['status']> = {
  Pending: 'starting', Starting: 'starting', Running: 'running', Stopping: 'stopping', Stopped: 'stopped', Succeeded: 'stopped', TimedOut: 'stopped', Failed: 'error',
};

export function session(id: string, phase = 'Running', more: Partial<Session> = {}): Session {
  const ready = phase === 'Running';
  return {
    id,
    gameId: 'wesnoth',
    userId: 'alice',
    gameConfig: { type: 'wesnoth' },
    status: PHASE_STATUS[phase] ?? 'starting',
    created: new Date(Date.now() - 60_000).toISOString(),
    game: 'wesnoth',
    phase,
    reason: ready ? 'Ready' : phase,
    ready,
    desiredState: phase === 'Stopped' ? 'Stopped' : 'Running',
    restarts: 0,
    ...(ready ? { address: '127.0.0.1:7007', endpoints: [{ name: 'game', protocol: 'TCP', host: '127.0.0.1', port: 7007 }], started: new Date().toISOString() } : {}),
    ...more,
  };
}

export const WESNOTH: Game = {
  name: 'wesnoth',
  title: 'The Battle for Wesnoth',
  image: 'dillinger/wesnothd:1.16',
  parameters: [],
  ports: ['game'],
  storage: true,
  runtimes: ['Docker'],
};
export const ARENA: Game = {
  name: 'arena',
  title: 'Arena',
  image: 'dillinger/arena:1',
  parameters: [
    { name: 'MAP', description: 'Where to play', enum: ['dm1', 'ctf2'], default: 'dm1' },
    { name: 'MAX_PLAYERS', description: 'Most players at once', pattern: '[0-9]{1,2}', default: '8' },
    { name: 'SERVER_NAME', description: 'Shown in the list of servers', required: true, pattern: '(?u)[^\\p{Cc}]{1,32}' },
    { name: 'GAME_ID', default: 'arena' },
  ],
  ports: ['game', 'query'],
  storage: false,
  runtimes: ['Docker', 'Pod'],
};

/** What one request asked for. */
export interface Request {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export class Gateway {
  readonly sessions = new Map<string, Session>();
  games: Game[] = [WESNOTH, ARENA];
  readonly resources = new Map<string, Resource>();
  readonly events = new Map<string, Happening[]>();
  readonly logs = new Map<string, string>();
  readonly requests: Request[] = [];
  /** Requests above the path that it serves: those of a neighbour on the same origin. */
  readonly astray: Request[] = [];
  /** Tokens that are let in; undefined: nobody is asked. */
  tokens: string[] | undefined;
  /** What is refused with 403: paths by their first word. */
  forbidden = new Set<string>();
  /** Answers with this, once, in the place of the next POST. */
  refuseNext: { status: number; detail: string } | undefined;
  /** So many answers to a POST are lost on their way: what was asked for is done. */
  loseAnswers = 0;
  /** Streams of events begin after this. */
  hold: Promise<void> | undefined;
  private readonly keys = new Map<string, string>();
  /** How long a new session stays in Starting; Infinity: until told. */
  startsIn = 50;
  /** Below which path the page is served, as behind an ingress. */
  readonly prefix: string;
  private server: Server | undefined;
  private port = 0;
  private readonly streams = new Set<ServerResponse>();
  private readonly followers = new Map<string, Set<ServerResponse>>();
  private sequence = 0;

  constructor(prefix = '/') {
    this.prefix = prefix;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}${this.prefix}`;
  }

  /** Listens, on the port that it had before if there was one. */
  async up(): Promise<void> {
    const server = createServer((request, response) => void this.answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.server = server;
    const address = server.address();
    if (address && typeof address === 'object') this.port = address.port;
  }

  async down(): Promise<void> {
    const server = this.server;
    if (!server) return;
    this.server = undefined;
    this.streams.clear();
    this.followers.clear();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  put(session: Session): void {
    this.sessions.set(session.id, session);
    this.tell('session', session);
  }

  remove(id: string): void {
    this.sessions.delete(id);
    this.tell('gone', { id });
  }

  /** Everybody is told everything anew, as after a lag. */
  resync(): void {
    for (const stream of this.streams) this.snapshot(stream);
  }

  /** Every stream ends in order, as when rights are to be asked for anew. */
  endStreams(): void {
    for (const stream of this.streams) stream.end();
  }

  write(id: string, text: string): void {
    this.logs.set(id, (this.logs.get(id) ?? '') + text);
    for (const stream of this.followers.get(id) ?? []) stream.write(text);
  }

  get listeners(): number {
    return this.streams.size;
  }

  private tell(name: string, body: unknown): void {
    this.sequence += 1;
    for (const stream of this.streams) stream.write(`id: ${this.sequence}\nevent: ${name}\ndata: ${JSON.stringify(body)}\n\n`);
  }

  private snapshot(stream: ServerResponse): void {
    stream.write(`id: ${this.sequence}\nevent: snapshot\nretry: 2000\ndata: ${JSON.stringify([...this.sessions.values()])}\n\n`);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const method = request.method ?? 'GET';
    if (!url.pathname.startsWith(this.prefix)) {
      this.astray.push({ method, path: url.pathname, headers: request.headers, body: '' });
      return problem(response, 404, 'nothing is served above the prefix');
    }
    const path = `/${url.pathname.slice(this.prefix.length)}`;
    let body = '';
    for await (const piece of request) body += String(piece);
    this.requests.push({ method, path: path + url.search, headers: request.headers, body });
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const file = join(DIST, path === '/' ? 'index.html' : path);
    if (method === 'GET' && /^\/[\w.]*$/.test(path) && TYPES[extname(file)] && existsSync(file)) {
      response.setHeader('Content-Type', TYPES[extname(file)] ?? '');
      response.setHeader('Content-Security-Policy', POLICY);
      response.setHeader('Cache-Control', 'no-cache');
      createReadStream(file).pipe(response);
      return;
    }
    const [, first = '', id = '', part = ''] = path.split('/').map(decodeURIComponent);
    if (this.tokens && first !== 'health') {
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
      if (!token) return problem(response, 401, 'a bearer token is needed');
      if (!this.tokens.includes(token)) return problem(response, 401, 'the token is not valid here');
    }
    if (this.forbidden.has(first)) return problem(response, 403, `"bob" may not list ${first}.dillinger.dev in the namespace "default"`);
    if (first === 'events') {
      await this.hold;
      return this.stream(response);
    }
    if (first === 'games') return json(response, this.games);
    if (first === 'sessions' && !id && method === 'POST') return this.create(request, response, body);
    const session = this.sessions.get(id);
    if (first !== 'sessions' || !id) return problem(response, 404, 'there is nothing here');
    if (!session) return problem(response, 404, `there is no session "${id}"`);
    if (method === 'GET' && part === '') return json(response, session);
    if (method === 'GET' && part === 'resource') {
      const resource = this.resources.get(id);
      return resource ? json(response, resource) : problem(response, 404, 'there is nothing here');
    }
    if (method === 'GET' && part === 'events') return json(response, this.events.get(id) ?? []);
    if (method === 'GET' && part === 'logs') return this.log(response, id);
    if (this.refuseNext) {
      const { status, detail } = this.refuseNext;
      this.refuseNext = undefined;
      return problem(response, status, detail);
    }
    if (method === 'DELETE') {
      this.put({ ...session, status: 'stopping', reason: 'Terminating', ready: false });
      setTimeout(() => this.remove(id), 50);
      return json(response, { message: 'Session stopped' });
    }
    if (part === 'stop') {
      const { address: _address, endpoints: _endpoints, ...rest } = session;
      this.put({ ...rest, phase: 'Stopped', status: 'stopped', reason: 'Stopped', ready: false, desiredState: 'Stopped' });
      return json(response, this.sessions.get(id));
    }
    if (part === 'start') {
      this.put({ ...session, phase: 'Starting', status: 'starting', reason: 'Creating', desiredState: 'Running' });
      this.later(id);
      return json(response, this.sessions.get(id));
    }
    problem(response, 405, 'method not allowed');
  }

  private create(request: IncomingMessage, response: ServerResponse, body: string): void {
    if (this.refuseNext) {
      const { status, detail } = this.refuseNext;
      this.refuseNext = undefined;
      return problem(response, status, detail);
    }
    const { gameConfig, userId } = JSON.parse(body) as { gameConfig: { type: string }; userId?: string };
    const key = String(request.headers['idempotency-key'] ?? '');
    const id = this.keys.get(key) ?? `made-${this.sessions.size + 1}`;
    const made = this.sessions.has(id);
    if (key) this.keys.set(key, id);
    if (!made) this.put(session(id, 'Starting', { game: gameConfig.type, userId: userId ?? 'alice', reason: 'PullingImage', created: new Date().toISOString() }));
    if (!made) this.later(id);
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      // Cut in the middle: without a first byte a browser asks again by itself.
      response.writeHead(202, { 'Content-Type': 'application/json' });
      response.write('{', () => request.socket.destroy());
      return;
    }
    response.setHeader('Location', `/sessions/${id}`);
    response.statusCode = 202;
    json(response, this.sessions.get(id));
  }

  private later(id: string): void {
    if (!Number.isFinite(this.startsIn)) return;
    setTimeout(() => {
      const now = this.sessions.get(id);
      if (now) this.put(session(id, 'Running', { game: now.game, userId: now.userId, created: now.created }));
    }, this.startsIn);
  }

  private stream(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': here\n\n');
    this.snapshot(response);
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  private log(response: ServerResponse, id: string): void {
    const session = this.sessions.get(id);
    if (!this.logs.has(id) && session?.phase !== 'Running') return problem(response, 404, 'the session has no container');
    response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.write(this.logs.get(id) ?? '\n');
    const all = this.followers.get(id) ?? new Set();
    this.followers.set(id, all.add(response));
    response.on('close', () => all.delete(response));
  }
}

function json(response: ServerResponse, body: unknown): void {
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(body));
}

function problem(response: ServerResponse, status: number, detail: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/problem+json');
  response.end(JSON.stringify({ type: 'about:blank', title: 'Error', status, detail, error: 'failed', message: detail }));
}
