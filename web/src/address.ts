// The page's own address: everything behind the #, so that it works below any path. What is shown can be sent to somebody.

import { useEffect, useState } from 'preact/hooks';

export interface Place {
  view: 'sessions' | 'session' | 'new' | 'games';
  id: string;
  query: URLSearchParams;
}

export function read(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, id = ''] = path.split('/');
  const params = new URLSearchParams(query);
  if (view === 'games') return { view, id: '', query: params };
  if (view === 'new') return { view, id: '', query: params };
  if (view === 'sessions' && id) return { view: 'session', id: decoded(id), query: params };
  return { view: 'sessions', id: '', query: params };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const withQuery = (path: string, query: URLSearchParams) => {
  const text = query.toString();
  return text ? `${path}?${text}` : path;
};

export const link = {
  sessions: (query = new URLSearchParams()) => withQuery('#/sessions', query),
  session: (id: string) => `#/sessions/${encodeURIComponent(id)}`,
  games: () => '#/games',
  new: (query: Record<string, string> = {}) => withQuery('#/new', new URLSearchParams(query)),
};

/** Goes there. `quietly` leaves no step for the browser's Back: for each letter of a search, say. */
export function go(hash: string, quietly = false): void {
  if (!quietly) {
    location.hash = hash;
    return;
  }
  history.replaceState(null, '', hash);
  window.dispatchEvent(new Event('hashchange'));
}

let here = globalThis.location?.hash ?? '';
let before: Place | undefined;
/** The view that was shown before, the dialog for a new session left out; undefined: the page begins here. */
export const placeBefore = () => before;

export function usePlace(): Place {
  const [hash, setHash] = useState(here);
  useEffect(() => {
    const changed = () => {
      if (location.hash !== here && read(here).view !== 'new') before = read(here);
      here = location.hash;
      setHash(here);
    };
    window.addEventListener('hashchange', changed);
    return () => window.removeEventListener('hashchange', changed);
  }, []);
  return read(hash);
}
