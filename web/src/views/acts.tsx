// Stop, start, play again, delete: the buttons, and what is asked before.

import { useState } from 'preact/hooks';

import { link } from '../address.ts';
import { finished, kind } from '../list.ts';
import { Confirm } from '../parts.tsx';
import type { Game, Session } from '../shape.ts';
import { act, useKnown } from '../store.ts';
import { t } from '../texts.ts';

export interface Asking {
  what: 'stop' | 'delete';
  session: Session;
}

/** What is lost by a stop, as its Game says. */
function stopWords(session: Session, games: Game[] | undefined): string {
  const game = games?.find((one) => one.name === session.game);
  if (!game) return t.stopEither;
  return game.storage ? t.stopKeeps : t.stopLoses;
}

export function AskedFirst({ asking, close }: { asking: Asking | undefined; close: () => void }) {
  const games = useKnown((known) => known.games);
  if (!asking) return null;
  const { what, session } = asking;
  const words = what === 'stop' ? [t.stopTitle(session.id), stopWords(session, games), t.stop] : [t.removeTitle(session.id), t.removeLoses, t.remove];
  const [title = '', text = '', yes = ''] = words;
  return <Confirm title={title} text={text} yes={yes} close={close} act={() => void act(what, session.id)} />;
}

export function useAsking(): [Asking | undefined, (asking: Asking | undefined) => void] {
  return useState<Asking | undefined>(undefined);
}

export function Acts({ session, busy, ask }: { session: Session; busy: boolean; ask: (asking: Asking) => void }) {
  const deleting = kind(session) === 'deleting';
  const off = busy || deleting;
  const label = (text: string) => t.of(text, session.id);
  let first;
  if (finished(session)) {
    first = (
      <a class="button" href={link.new({ again: session.id })} aria-label={label(t.again)}>
        {t.again}
      </a>
    );
  } else if (session.desiredState === 'Stopped') {
    first = (
      <button type="button" aria-disabled={off} onClick={() => off || void act('start', session.id)} aria-label={label(t.start)}>
        {t.start}
      </button>
    );
  } else {
    first = (
      <button type="button" aria-disabled={off} onClick={() => off || ask({ what: 'stop', session })} aria-label={label(t.stop)}>
        {t.stop}
      </button>
    );
  }
  return (
    <span class="acts">
      {first}
      <button type="button" aria-disabled={off} onClick={() => off || ask({ what: 'delete', session })} aria-label={label(t.remove)}>
        {t.remove}
      </button>
    </span>
  );
}
