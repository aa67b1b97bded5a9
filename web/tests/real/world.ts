// The program under test on the API server and the engine of a world (tests/world), and a kubectl beside it.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';

const ROOT = new URL('../../../', import.meta.url).pathname;

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this with tests/world -- tests/page`);
  return value;
}

export function kubectl(args: string[], input?: string): string {
  return execFileSync('kubectl', args, { encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], ...(input === undefined ? {} : { input }) });
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

const healthy = (port: number) =>
  new Promise<boolean>((resolve) => {
    get({ host: '127.0.0.1', port, path: '/health' }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });

/** `dillinger-runner run`, or `gateway`, for one namespace. */
export class Program {
  readonly namespace: string;
  port = 0;
  private admin = 0;
  private child: ChildProcess | undefined;
  private readonly command: string;
  private readonly flags: string[];
  private readonly log: string;

  constructor(command: 'run' | 'gateway', namespace: string, flags: string[] = []) {
    this.command = command;
    this.namespace = namespace;
    this.flags = flags;
    this.log = join(mkdtempSync(join(needed('DILLINGER_WORLD'), 'log', 'page-')), `${command}.log`);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  /** Starts it, on the address that it had before if it had one, and waits until it is healthy. */
  async start(): Promise<void> {
    this.port ||= await freePort();
    this.admin ||= await freePort();
    const flags = ['--namespace', this.namespace, '--gateway-address', `127.0.0.1:${this.port}`, ...this.flags];
    if (this.command === 'run') {
      flags.push('--watch-namespaces', this.namespace, '--lease-namespace', this.namespace, '--admin-address', `127.0.0.1:${this.admin}`);
    }
    const child = spawn(needed('DILLINGER_RUNNER_BIN'), [this.command, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(this.log, { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    this.child = child;
    while (!(await healthy(this.port))) {
      if (child.exitCode !== null) throw new Error(`${this.command} ended with ${child.exitCode}; ${this.log} says why`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

/** The API server as plain HTTP, without the time that each kubectl takes to start. */
export async function proxy(): Promise<{ url: string; end: () => void }> {
  const child = spawn('kubectl', ['proxy', '--port=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(String(data)));
    child.once('exit', (code) => reject(new Error(`kubectl proxy ended with ${code}`)));
  });
  const address = /127\.0\.0\.1:\d+/.exec(line)?.[0];
  if (!address) throw new Error(`kubectl proxy said ${line}`);
  return { url: `http://${address}`, end: () => void child.kill() };
}

/** The definitions, a namespace of its own, and these Games in it. */
export function prepare(namespace: string, games: string[]): void {
  kubectl(['apply', '--server-side', '-f', join(ROOT, 'crds')]);
  kubectl(['wait', '--for=condition=Established', '--timeout=60s', 'crd/games.dillinger.dev', 'crd/gamesessions.dillinger.dev']);
  kubectl(['create', 'namespace', namespace]);
  for (const game of games) kubectl(['apply', '-n', namespace, '-f', join(ROOT, `deploy/games/${game}.yaml`)]);
}

export const sessionYaml = (name: string, game: string, user = 'alice', wish = 'Running') =>
  `apiVersion: dillinger.dev/v1alpha1\nkind: GameSession\nmetadata: {name: ${name}}\nspec: {gameRef: {name: ${game}}, user: ${user}, desiredState: ${wish}}\n`;
