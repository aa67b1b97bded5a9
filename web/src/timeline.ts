// What happened to a session, in one list, and how far it has come. Pure.

import type { Condition, Happening, Resource, Session } from './shape.ts';
import { t } from './texts.ts';

export interface Entry {
  time: string;
  /** A condition's type and status, an Event's reason, or a moment on record. */
  what: string;
  words: string;
  bad: boolean;
  key: string;
}

/** The newest first; in one second, which is all that conditions tell, the later step. */
export function timeline(session: Session, resource: Resource | undefined, events: Happening[]): Entry[] {
  const entries: Entry[] = [];
  const moment = (time: string | undefined, what: string, words = '', bad = false) => {
    if (time) entries.push({ time, what, words, bad, key: `m ${what}` });
  };
  const status = resource?.status;
  moment(session.created, t.moment.created);
  moment(session.started, t.moment.firstReady);
  moment(status?.stop?.time, t.moment.stopAsked, status?.stop?.reason);
  const exit = status?.lastExit;
  if (exit) moment(exit.finishTime, t.moment.exited, t.exit(exit.reason ?? '', exit.exitCode, exit.signal), exit.reason !== 'Completed' && exit.reason !== 'Requested');
  moment(status?.finishTime, t.moment.finished);
  for (const one of status?.conditions ?? []) {
    // That it has not ended and is not stuck is no news.
    if (one.status === 'False' && (one.type === 'Finished' || one.type === 'Stalled')) continue;
    const words = [one.reason, one.message].filter(Boolean).join(': ');
    entries.push({ time: one.lastTransitionTime, what: `${one.type}: ${one.status}`, words, bad: isBad(one), key: `c ${one.type}` });
  }
  events.forEach((one, place) => {
    const words = one.count && one.count > 1 ? `${one.message} (${t.times(one.count)})` : one.message;
    entries.push({ time: one.time, what: one.reason, words, bad: one.type === 'Warning', key: `e ${place} ${one.reason}` });
  });
  return entries.reverse().sort((a, b) => Date.parse(b.time) - Date.parse(a.time));
}

const isBad = (one: Condition) => one.type === 'Stalled' && one.status === 'True';

export type Stage = keyof typeof t.stages;
export type StageState = keyof typeof t.stageWords;

const STAGES = Object.keys(t.stages) as Stage[];
/** Where a reason stands, for a gateway that gives no conditions. */
const BEFORE: Record<string, number> = {
  Pending: 0, GameNotFound: 0, GameInvalid: 0, ParametersInvalid: 0, ResourcesTooLarge: 0, DeadlineTooLong: 0, RuntimeNotAllowed: 0,
  NotChecked: 1, PullingImage: 1, ImagePullFailed: 1,
  WaitingForReady: 3, ProbeFailed: 3, StartDeadlineExceeded: 3, ExitedBeforeReady: 3,
};

/** How far the way from wish to game has been gone. */
export function stages(session: Session, resource: Resource | undefined): { stage: Stage; state: StageState }[] {
  const conditions = resource?.status?.conditions;
  const holds = (stage: Stage) => conditions?.find((one) => one.type === stage)?.status === 'True';
  const stalled = conditions?.some((one) => one.type === 'Stalled' && one.status === 'True') ?? session.phase === 'Failed';
  let reached = session.ready ? STAGES.length : (BEFORE[session.reason ?? 'Pending'] ?? 2);
  if (conditions && !session.ready) {
    reached = STAGES.findIndex((stage) => !holds(stage));
    if (reached < 0) reached = STAGES.length;
  }
  const active = stalled ? 'failed' : session.desiredState === 'Running' ? 'now' : 'wait';
  return STAGES.map((stage, place) => ({ stage, state: place < reached ? 'done' : place === reached ? active : 'wait' }));
}
