// The catalog.

import { link } from '../address.ts';
import { asked } from '../parameters.ts';
import { Foreign, Heading, Notice } from '../parts.tsx';
import type { Game } from '../shape.ts';
import { readGames, useKnown } from '../store.ts';
import { t } from '../texts.ts';

export function Games() {
  const games = useKnown((known) => known.games);
  const problem = useKnown((known) => known.gamesProblem);
  return (
    <>
      <Heading>{t.games}</Heading>
      {!games && !problem && <p role="status">{t.loading}</p>}
      {problem && (
        <Notice title={problem.status === 403 ? t.notAllowed : t.failedTitle}>
          <p role="alert">
            <Foreign text={problem.message} />
          </p>
          <p>
            <button type="button" onClick={() => void readGames()}>
              {t.tryNow}
            </button>
          </p>
        </Notice>
      )}
      {games && games.length === 0 && (
        <Notice title={t.gamesEmpty}>
          <pre>{t.gamesHint}</pre>
        </Notice>
      )}
      <ul class="games">{games?.map((game) => <Entry key={game.name} game={game} />)}</ul>
    </>
  );
}

function Entry({ game }: { game: Game }) {
  const ports = game.ports.join(', ');
  const settings = asked(game).length;
  return (
    <li>
      <h2>
        <Foreign text={game.title || game.name} />
      </h2>
      <p class="faint">
        <Foreign text={game.name} /> · <Foreign text={game.image} />
      </p>
      <p>{game.storage ? t.keeps : t.keepsNothing}</p>
      <p class="faint">
        {[ports && t.ports(ports), t.runsOn(game.runtimes.join(', ')), settings > 0 && t.settings(settings)].filter(Boolean).join(' · ')}
      </p>
      <p>
        <a class="button main" href={link.new({ game: game.name })} aria-label={t.of(t.play, game.title || game.name)}>
          {t.play}
        </a>
      </p>
    </li>
  );
}
