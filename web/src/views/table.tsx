// The live table. A real table: at 400 px its rows become cards, and roles keep what they are.

import { Component } from 'preact';

import { go, link, placeBefore } from '../address.ts';
import { COLUMNS, coming, counts, query, reason, shown, values, wanted, type Column, type Kind, type Wanted } from '../list.ts';
import { Ago, Copy, Foreign, Heading, Notice, StatusMark } from '../parts.tsx';
import type { Session } from '../shape.ts';
import { useKnown } from '../store.ts';
import { t } from '../texts.ts';
import { Acts, AskedFirst, useAsking, type Asking } from './acts.tsx';

export function Sessions({ params }: { params: URLSearchParams }) {
  const sessions = useKnown((known) => known.sessions);
  const busy = useKnown((known) => known.busy);
  const games = useKnown((known) => known.games);
  const [asking, ask] = useAsking();
  const wish = wanted(params);
  const rows = sessions ? shown(sessions.values(), wish) : [];
  return (
    <>
      <div class="head">
        <Heading>{t.sessions}</Heading>
        <a class="button main" href={link.new()}>
          {t.newSession}
        </a>
      </div>
      {sessions && sessions.size > 0 && <Filters wish={wish} sessions={sessions} />}
      <p role="status" class="counts">
        {sessions ? counts(sessions.values(), rows.length) : t.loading}
      </p>
      {sessions && sessions.size === 0 && (
        <Notice title={t.empty}>
          <p>{games && games.length === 0 ? t.gamesEmpty : t.emptyHint}</p>
          {games && games.length === 0 && <pre>{t.gamesHint}</pre>}
        </Notice>
      )}
      {sessions && sessions.size > 0 && rows.length === 0 && <Notice title={t.noneFits} />}
      {rows.length > 0 && <Table rows={rows} wish={wish} busy={busy} ask={ask} />}
      <AskedFirst asking={asking} close={() => ask(undefined)} />
    </>
  );
}

function Filters({ wish, sessions }: { wish: Wanted; sessions: ReadonlyMap<string, Session> }) {
  const change = (part: Partial<Wanted>) => go(link.sessions(query({ ...wish, ...part })), true);
  const value = (event: Event) => (event.currentTarget as HTMLInputElement | HTMLSelectElement).value;
  const all = [...sessions.values()];
  const choice = (name: 'game' | 'user', every: string, label: string, known: string[]) => (
    <label>
      {label}
      <select value={wish[name]} onChange={(event) => change({ [name]: value(event) })}>
        <option value="">{every}</option>
        {[...new Set(wish[name] ? [wish[name], ...known] : known)].map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
  const filtered = wish.search || wish.status || wish.game || wish.user;
  return (
    <search class="filters">
      <label class="wide">
        {t.search}
        <input type="search" value={wish.search} placeholder={t.searchHint} onInput={(event) => change({ search: value(event) })} />
      </label>
      <label>
        {t.columns.status}
        <select value={wish.status} onChange={(event) => change({ status: value(event) })}>
          <option value="">{t.everyStatus}</option>
          {(Object.keys(t.status) as Kind[]).map((kind) => (
            <option key={kind} value={kind}>
              {t.status[kind]}
            </option>
          ))}
        </select>
      </label>
      {choice('game', t.everyGame, t.columns.game, values(all, (one) => one.game))}
      {choice('user', t.everyUser, t.columns.user, values(all, (one) => one.userId))}
      {filtered && (
        <button type="button" onClick={() => change({ search: '', status: '', game: '', user: '' })}>
          {t.clearFilters}
        </button>
      )}
    </search>
  );
}

interface TableProps {
  rows: Session[];
  wish: Wanted;
  busy: ReadonlySet<string>;
  ask: (asking: Asking) => void;
}

/** A class for one thing that hooks cannot: to note the focus before rows move, and give it back after. */
class Table extends Component<TableProps> {
  private body: HTMLTableSectionElement | null = null;

  /** Back from a session: where the keyboard was before. */
  override componentDidMount(): void {
    const before = placeBefore();
    if (before?.view !== 'session') return;
    this.body?.querySelector<HTMLElement>(`a[href="${CSS.escape(link.session(before.id))}"]`)?.focus();
  }

  override getSnapshotBeforeUpdate(): { element: HTMLElement; row: number; place: number } | null {
    const element = document.activeElement;
    if (!(element instanceof HTMLElement) || !this.body?.contains(element)) return null;
    const row = element.closest('tr');
    if (!row) return null;
    return { element, row: [...this.body.rows].indexOf(row), place: stops(row).indexOf(element) };
  }

  override componentDidUpdate(_props: TableProps, _state: unknown, before: ReturnType<Table['getSnapshotBeforeUpdate']>): void {
    if (!before || document.activeElement === before.element) return;
    if (before.element.isConnected) return before.element.focus({ preventScroll: true });
    // The row is gone, or its button became another one: what now stands in its place.
    const rows = this.body?.rows;
    const row = rows?.[Math.min(before.row, rows.length - 1)];
    if (row) stops(row)[Math.max(0, Math.min(before.place, stops(row).length - 1))]?.focus({ preventScroll: true });
  }

  /** Up and down go to the same button of the next row. */
  private readonly move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    const element = event.target as HTMLElement;
    const row = element.closest('tr');
    if (!step || !row || !this.body) return;
    const next = this.body.rows[[...this.body.rows].indexOf(row) + step];
    if (!next) return;
    event.preventDefault();
    const [from, to] = [stops(row), stops(next)];
    // Counted from the end: the address, and so its button, may be missing.
    const place = from.indexOf(element);
    (place === 0 ? to[0] : to.at(place - from.length))?.focus();
  };

  private readonly order = (column: Column) => {
    const { wish } = this.props;
    const down = wish.sort === column && !wish.down;
    go(link.sessions(query({ ...wish, sort: column, down })), true);
  };

  override render({ rows, wish, busy, ask }: TableProps) {
    const heads = COLUMNS.map((column) => (
      <th key={column} scope="col" role="columnheader" aria-sort={wish.sort !== column ? undefined : wish.down ? 'descending' : 'ascending'}>
        <button type="button" class="sort" title={t.sortBy(t.columns[column])} onClick={() => this.order(column)}>
          {t.columns[column]}
          <span aria-hidden="true">{wish.sort !== column ? '' : wish.down ? ' ▾' : ' ▴'}</span>
        </button>
      </th>
    ));
    return (
      <table role="table" class="sessions">
        <caption>{t.caption}</caption>
        <thead role="rowgroup">
          <tr role="row" data-label={t.sortedBy}>
            {heads}
            <th scope="col" role="columnheader">
              {t.columns.actions}
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup" ref={(body) => { this.body = body; }} onKeyDown={this.move}>
          {rows.map((session) => (
            <Row key={session.id} session={session} busy={busy.has(session.id)} ask={ask} />
          ))}
        </tbody>
      </table>
    );
  }
}

const stops = (row: Element) => [...row.querySelectorAll<HTMLElement>('a, button')];

interface RowProps {
  session: Session;
  busy: boolean;
  ask: (asking: Asking) => void;
}

/** Drawn again only when its own session changed. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return next.session !== this.props.session || next.busy !== this.props.busy;
  }

  override render({ session, busy, ask }: RowProps) {
    const why = reason(session);
    return (
      <tr role="row">
        <th scope="row" role="rowheader">
          <a href={link.session(session.id)}>
            <Foreign text={session.id} />
          </a>
        </th>
        <td role="cell" data-label={t.columns.game}>
          <Foreign text={session.game} />
        </td>
        <td role="cell" data-label={t.columns.user} class="user">
          <Foreign text={session.userId} />
        </td>
        <td role="cell" class="state">
          <StatusMark session={session} />
        </td>
        <td role="cell" data-label={t.columns.address} class="address">
          {session.address ? (
            <>
              <code>{session.address}</code> <Copy text={session.address} label={t.copyAddress(session.address)} />
            </>
          ) : (
            <span class="faint">{coming(session) ? t.noAddress : t.never}</span>
          )}
        </td>
        <td role="cell" data-label={t.columns.age}>
          <Ago time={session.created} />
        </td>
        <td role="cell" data-label={t.columns.reason}>
          {why && <span title={t.reasons[why] ?? session.message ?? ''}>{why}</span>}
        </td>
        <td role="cell" data-label={t.columns.actions}>
          <Acts session={session} busy={busy} ask={ask} />
        </td>
      </tr>
    );
  }
}
