// Sessions as YAML that kubectl takes. Pure. Texts are written as JSON strings, which YAML reads as they are.

import type { Resource, Session } from './shape.ts';
import type { Values } from './parameters.ts';

const WORDS = /^(true|false|null|yes|no|on|off|y|n)$/i;

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  const bare = /^[A-Za-z][A-Za-z0-9._/-]*$/.test(value) && !WORDS.test(value);
  return bare ? value : JSON.stringify(value).replace(/[\u007f-\uffff]/g, (c) => (/[\u2028\u2029\ufeff\u007f-\u009f]/.test(c) ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c));
}

function lines(value: unknown, indent: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      if (item === null || typeof item !== 'object') return [`${indent}- ${scalar(item)}`];
      const [first = '{}', ...rest] = lines(item, `${indent}  `);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  }
  return Object.entries(value as Record<string, unknown>)
    .filter(([, member]) => member !== undefined && member !== null)
    .flatMap(([name, member]) => {
      const key = `${indent}${scalar(name)}:`;
      if (typeof member !== 'object') return [`${key} ${scalar(member)}`];
      const empty = Array.isArray(member) ? '[]' : '{}';
      if (Object.keys(member as object).length === 0) return [`${key} ${empty}`];
      return [key, ...lines(member, Array.isArray(member) ? indent : `${indent}  `)];
    });
}

export const yaml = (value: unknown) => `${lines(value, '').join('\n')}\n`;

const manifest = (name: string, namespace: string | undefined, spec: unknown) =>
  yaml({ apiVersion: 'dillinger.dev/v1alpha1', kind: 'GameSession', metadata: { name, namespace }, spec });

const list = (values: Values) => {
  const pairs = Object.entries(values).map(([name, value]) => ({ name, value }));
  return pairs.length > 0 ? pairs : undefined;
};

export const wishYaml = (name: string, game: string, user: string, values: Values) =>
  manifest(name, undefined, { gameRef: { name: game }, user, parameters: list(values) });

/** A session that exists: its resource where the gateway gave it, else what is known of it. */
export function sessionYaml(session: Session, resource: Resource | undefined): string {
  if (resource) return manifest(resource.metadata.name, resource.metadata.namespace, resource.spec);
  return manifest(session.id, undefined, { gameRef: { name: session.game }, user: session.userId, desiredState: session.desiredState });
}
