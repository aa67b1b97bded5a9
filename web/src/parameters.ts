// From a Game's declared parameters to a form, and from the form to a request. Pure.

import type { Game, ParameterDeclaration } from './shape.ts';
import { t } from './texts.ts';

/** Parameters that a form asks for: GAME_ID is the old clients' way to name the game. */
export const asked = (game: Game) => game.parameters.filter((one) => one.name !== 'GAME_ID');

export type Values = Record<string, string>;

export function defaults(game: Game, known: Values = {}): Values {
  return Object.fromEntries(asked(game).map((one) => [one.name, known[one.name] ?? one.default ?? '']));
}

/**
 * The pattern as this browser can try it. The Game's patterns are Rust's and count bytes: one that a browser does not
 * understand, and a value beyond ASCII, is left to the controller, which says what it thinks in the session's status.
 */
function matches(pattern: string, value: string): boolean {
  // eslint-disable-next-line no-control-regex
  if (!/^[\x00-\x7f]*$/.test(value)) return true;
  let regex: RegExp;
  try {
    regex = new RegExp(`^(?:${pattern.replace(/^\(\?u\)/, '')})$`, 'su');
  } catch {
    return true;
  }
  return regex.test(value);
}

/** What is wrong with a value; undefined: nothing that can be told here. */
export function wrong(declared: ParameterDeclaration, value: string): string | undefined {
  if (value === '') return declared.required ? t.isMissing : undefined;
  if (declared.enum && !declared.enum.includes(value)) return t.doesNotMatch(declared.enum.join(', '));
  if (declared.pattern && !matches(declared.pattern, value)) return t.doesNotMatch(declared.pattern);
  return undefined;
}

/** Which keyboard a phone shows: digits where the pattern takes nothing else. */
export const numeric = (declared: ParameterDeclaration) => /^(\[\d-\d\]|\\d|[\d{},+?*()|])+$/.test(declared.pattern ?? '');

/** What the session sets: only what differs from the Game's defaults, which may change. */
export function chosen(game: Game, values: Values): Values {
  const set = asked(game).filter((one) => {
    const value = values[one.name] ?? '';
    return value !== '' && value !== one.default;
  });
  return Object.fromEntries(set.map((one) => [one.name, values[one.name] ?? '']));
}

/** The body of `POST /sessions`. The gateway makes MAX_PLAYERS of max_players; `type` is its word for the game. */
export function request(game: Game, user: string, values: Values): unknown {
  const members = Object.entries(chosen(game, values)).map(([name, value]) => [name === 'TYPE' ? name : name.toLowerCase(), value]);
  return { gameId: game.name, ...(user ? { userId: user } : {}), gameConfig: { type: game.name, ...Object.fromEntries(members) } };
}
