// One session: how far it is, where to play, what happened, its log, and the same as YAML.

import { useEffect, useState } from 'preact/hooks';

import { link } from '../address.ts';
import { call } from '../api.ts';
import { reason as reasonOf } from '../list.ts';
import { Ago, Code, Copy, Foreign, Heading, Notice, StatusMark } from '../parts.tsx';
import type { Happening, Resource, Session } from '../shape.ts';
import { useKnown } from '../store.ts';
import { t } from '../texts.ts';
import { stages, timeline } from '../timeline.ts';
import { sessionYaml } from '../yaml.ts';
import { Acts, AskedFirst, useAsking } from './acts.tsx';
import { Log } from './log.tsx';

export function Detail({ id }: { id: string }) {
  const sessions = useKnown((known) => known.sessions);
  const busy = useKnown((known) => known.busy);
  const session = sessions?.get(id);
  // One that goes while it is looked at stays on the page, with the words that it is gone.
  const [was, setWas] = useState<Session | undefined>(session);
  const [asking, ask] = useAsking();
  useEffect(() => {
    if (session) setWas(session);
  }, [session]);
  const back = (
    <p>
      <a href={link.sessions()}>← {t.back}</a>
    </p>
  );
  const one = session ?? (was?.id === id ? was : undefined);
  if (!one) {
    return (
      <>
        {back}
        <Heading>
          <Foreign text={id} />
        </Heading>
        <p role="status">{sessions ? t.notThere(id) : t.loading}</p>
      </>
    );
  }
  return (
    <>
      {back}
      <div class="head">
        <Heading>
          <Foreign text={one.id} />
        </Heading>
        {session && <Acts session={one} busy={busy.has(id)} ask={ask} />}
      </div>
      {session ? <Standing session={one} /> : <Notice title={t.gone} />}
      <Parts session={one} there={!!session} />
      <AskedFirst asking={asking} close={() => ask(undefined)} />
    </>
  );
}

function Standing({ session }: { session: Session }) {
  const why = reasonOf(session);
  return (
    <div role="status" class="standing">
      <StatusMark session={session} />
      {why && <strong>{why}</strong>}
      {why && t.reasons[why] && <span>{t.reasons[why]}</span>}
      {session.message && (
        <p class="message">
          <Foreign text={session.message} />
        </p>
      )}
    </div>
  );
}

function Parts({ session, there }: { session: Session; there: boolean }) {
  const [resource, setResource] = useState<Resource | undefined>(undefined);
  const [events, setEvents] = useState<Happening[]>([]);
  const games = useKnown((known) => known.games);
  useEffect(() => {
    if (!there) return;
    let stale = false;
    const path = `sessions/${encodeURIComponent(session.id)}`;
    // A moment later: changes come in groups, and Events come after them.
    const timer = setTimeout(() => {
      const take = <T,>(part: string, into: (value: T) => void) =>
        call<T>('GET', `${path}/${part}`).then((value) => stale || into(value), () => undefined);
      void take<Resource>('resource', setResource);
      void take<Happening[]>('events', (value) => setEvents(Array.isArray(value) ? value : []));
    }, 150);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [session, there]);
  const game = games?.find((one) => one.name === session.game);
  return (
    <>
      <section aria-labelledby="progress">
        <h2 id="progress">{t.progress}</h2>
        <ol class="stages">
          {stages(session, resource).map(({ stage, state }) => (
            <li key={stage} class={state}>
              <span class="mark" aria-hidden="true">
                {{ done: '✓', now: '…', failed: '✕', wait: '' }[state]}
              </span>
              {t.stages[stage]} <span class="faint">{t.stageWords[state]}</span>
            </li>
          ))}
        </ol>
      </section>
      {session.endpoints && session.endpoints.length > 0 && (
        <section aria-labelledby="addresses">
          <h2 id="addresses">{t.addresses}</h2>
          <ul class="plain">
            {session.endpoints.map(({ name, protocol, host, port }) => {
              const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
              return (
                <li key={`${name} ${protocol}`}>
                  <code>{address}</code> {name} {protocol} <Copy text={address} label={t.copyAddress(address)} />
                </li>
              );
            })}
          </ul>
        </section>
      )}
      <Facts session={session} resource={resource} storage={game?.storage} />
      <section aria-labelledby="timeline">
        <h2 id="timeline">{t.timeline}</h2>
        <ol class="timeline">
          {timeline(session, resource, events).map((entry) => (
            <li key={entry.key} class={entry.bad ? 'bad' : ''}>
              <Ago time={entry.time} /> <strong>{visibleWord(entry.what)}</strong>{' '}
              <span class="message">
                <Foreign text={entry.words} />
              </span>
            </li>
          ))}
        </ol>
      </section>
      {there && <Log key={session.id} session={session} />}
      <section aria-labelledby="yaml">
        <h2 id="yaml">{t.yaml}</h2>
        <Code text={sessionYaml(session, resource)} label={t.manifest} />
      </section>
    </>
  );
}

const visibleWord = (text: string) => <Foreign text={text} />;

function Facts({ session, resource, storage }: { session: Session; resource: Resource | undefined; storage: boolean | undefined }) {
  const status = resource?.status;
  const exit = status?.lastExit;
  const where = [status?.runtime, status?.container?.nodeName ?? status?.engine?.name].filter(Boolean).join(', ');
  const set = (resource?.spec.parameters ?? []).map((one) => `${one.name}=${one.value}`).join(', ');
  const deadline = resource?.spec.activeDeadlineSeconds;
  const time = (value: string | undefined) => value && <Ago time={value} />;
  const rows: [string, preact.ComponentChildren][] = [
    [t.fact.game, <Foreign text={session.game} />],
    [t.fact.user, <Foreign text={session.userId} />],
    [t.fact.created, time(session.created)],
    [t.fact.started, time(session.started)],
    [t.fact.stopped, time(session.stopped)],
    [t.fact.parameters, set && <Foreign text={set} />],
    [t.fact.survives, storage === undefined ? '' : storage ? t.keeps : t.keepsNothing],
    [t.fact.deadline, deadline === undefined ? '' : t.seconds(deadline)],
    [t.fact.restarts, session.restarts > 0 ? session.restarts : ''],
    [t.fact.exit, exit && t.exit(exit.reason ?? '', exit.exitCode, exit.signal)],
    [t.fact.runtime, where && <Foreign text={where} />],
    [t.fact.image, status?.container?.image && <Foreign text={status.container.image} />],
    [t.fact.container, status?.container?.name && <Foreign text={status.container.name} />],
  ];
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">{t.facts}</h2>
      <dl>
        {rows
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {session.warnings?.map((one) => (
        <p key={one} class="help">
          <Foreign text={one} />
        </p>
      ))}
    </section>
  );
}
