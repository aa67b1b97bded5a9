// The frame: navigation, how it stands with the gateway, and the view that the address names.

import { useEffect, useState } from 'preact/hooks';

import { go, link, placeBefore, read, usePlace } from './address.ts';
import { Foreign, Notice } from './parts.tsx';
import { follow, forgetNotice, signIn, signOut, useKnown, type Link } from './store.ts';
import { t } from './texts.ts';
import { Create } from './views/create.tsx';
import { Detail } from './views/detail.tsx';
import { Games } from './views/games.tsx';
import { SignIn } from './views/signin.tsx';
import { Sessions } from './views/table.tsx';

export function App() {
  const place = usePlace();
  const state = useKnown((known) => known.link);
  const signedIn = useKnown((known) => known.signedIn);
  // A dialog stands over the view that it was opened from.
  const under = place.view !== 'new' ? place : (placeBefore() ?? read(''));
  const here = under.view === 'games' ? 'games' : 'sessions';
  const title = place.view === 'session' ? place.id : place.view === 'games' ? t.games : t.sessions;
  useEffect(() => {
    document.title = `${title} · ${t.appName}`;
  }, [title]);
  const shut = state.state === 'sign-in' || state.state === 'forbidden';
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById('main')?.focus())}>
        {t.skip}
      </a>
      <header>
        <span class="name">{t.appName}</span>
        <nav aria-label={t.navigation}>
          <a href={link.sessions()} aria-current={here === 'sessions' ? 'page' : undefined}>
            {t.sessions}
          </a>
          <a href={link.games()} aria-current={here === 'games' ? 'page' : undefined}>
            {t.games}
          </a>
        </nav>
        {signedIn && (
          <button type="button" onClick={signOut}>
            {t.signOut}
          </button>
        )}
      </header>
      <Banner state={state} />
      <main id="main" tabIndex={-1}>
        {state.state === 'sign-in' && <SignIn why={state.why} />}
        {state.state === 'forbidden' && (
          <Notice title={t.notAllowed} whole>
            <p role="alert">
              <Foreign text={state.why} />
            </p>
            <p>{t.notAllowedHint}</p>
            <p class="buttons">
              <button type="button" onClick={() => void follow()}>
                {t.tryNow}
              </button>
              <button type="button" onClick={() => void signIn('')}>
                {t.otherToken}
              </button>
            </p>
          </Notice>
        )}
        {!shut && under.view === 'sessions' && <Sessions key="sessions" params={under.query} />}
        {!shut && under.view === 'session' && <Detail key={under.id} id={under.id} />}
        {!shut && under.view === 'games' && <Games key="games" />}
        {!shut && place.view === 'new' && <Create key={place.query.toString()} params={place.query} close={leave} />}
      </main>
      <Said />
    </>
  );
}

/** Back to where the dialog was opened from; to the sessions where it was the first thing. */
function leave(): void {
  if (placeBefore()) history.back();
  else go(link.sessions(), true);
}

function Banner({ state }: { state: Link }) {
  const next = state.state === 'lost' ? state.next : 0;
  const [left, setLeft] = useState(0);
  useEffect(() => {
    if (!next) return;
    const count = () => setLeft(Math.max(0, Math.ceil((next - Date.now()) / 1000)));
    count();
    const timer = setInterval(count, 1_000);
    return () => clearInterval(timer);
  }, [next]);
  // The region is always there: a screen reader tells what comes into it.
  return (
    <div role="alert" class={state.state === 'lost' ? 'banner' : ''}>
      {state.state === 'lost' && (
        <>
          {state.since ? t.lost(state.since.toLocaleTimeString(t.language)) : t.lostFirst}{' '}
          {state.why && state.why !== t.noAnswer && <Foreign text={state.why} />} <span aria-hidden="true">{t.nextTry(left)}</span>{' '}
          <button type="button" onClick={() => void follow()}>
            {t.tryNow}
          </button>
        </>
      )}
    </div>
  );
}

/** What became of an act: good news go by themselves, bad news stay until they are closed. */
function Said() {
  const notice = useKnown((known) => known.notice);
  useEffect(() => {
    if (!notice || notice.bad) return;
    const timer = setTimeout(forgetNotice, 5_000);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <div class="said" role={notice?.bad ? 'alert' : 'status'}>
      {notice && (
        <p class={notice.bad ? 'bad' : ''}>
          <Foreign text={notice.text} />{' '}
          <button type="button" class="small" onClick={forgetNotice}>
            {t.close}
          </button>
        </p>
      )}
    </div>
  );
}
