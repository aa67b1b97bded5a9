// Small parts that several views use.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { kind, word } from './list.ts';
import type { Session } from './shape.ts';
import { t } from './texts.ts';

/**
 * A text that somebody else wrote, safe to look at: characters that turn the direction of writing, or show nothing, are
 * shown as a mark, and the text cannot turn what stands around it.
 */
export function Foreign({ text }: { text: string }) {
  return <bdi>{visible(text)}</bdi>;
}

export const visible = (text: string) => text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, (c) => (c === '\n' || c === '\t' ? c : '\ufffd'));

const SHAPES: Record<ReturnType<typeof kind>, JSX.Element> = {
  pending: <circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.8" stroke-dasharray="2.4 2.2" />,
  starting: <path d="M8 2.5a5.5 5.5 0 1 1-5.5 5.5" fill="none" stroke="currentColor" stroke-width="2" />,
  running: <path d="M4 2.5v11l9-5.5z" fill="currentColor" />,
  stopping: <path d="M4 3h3v10H4zM9 3h3v10H9z" fill="currentColor" />,
  deleting: <path d="M3 4h10M6 4V2.5h4V4M4.5 4l.7 9.5h5.6l.7-9.5" fill="none" stroke="currentColor" stroke-width="1.6" />,
  stopped: <path d="M3.5 3.5h9v9h-9z" fill="currentColor" />,
  ended: <path d="M2.5 8.5l3.7 3.7 7.3-8" fill="none" stroke="currentColor" stroke-width="2.2" />,
  timeup: <path d="M4 2h8M4 14h8M5 2c0 4 6 8 6 12M11 2c0 4-6 8-6 12" fill="none" stroke="currentColor" stroke-width="1.5" />,
  failed: <path d="M3 3l10 10M13 3L3 13" fill="none" stroke="currentColor" stroke-width="2.4" />,
  unknown: <path d="M5 5.8C5 2 11 2 11 5.6 11 8 8 7.8 8 10.2M8 12.2v1.8" fill="none" stroke="currentColor" stroke-width="1.9" />,
};

export function StatusMark({ session }: { session: Session }) {
  const what = kind(session);
  return (
    <span class={`status ${what}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {SHAPES[what]}
      </svg>
      <Foreign text={word(session)} />
    </span>
  );
}

const UNITS: [number, Intl.RelativeTimeFormatUnit][] = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
  [1, 'second'],
];
const relative = new Intl.RelativeTimeFormat(t.language, { numeric: 'always', style: 'narrow' });
const exact = new Intl.DateTimeFormat(t.language, { dateStyle: 'medium', timeStyle: 'medium' });
const ticks = new Set<() => void>();
setInterval(() => ticks.forEach((tick) => tick()), 5_000);

export function ago(time: string, now = Date.now()): string {
  if (Number.isNaN(Date.parse(time))) return '';
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [1, 'second'];
  return relative.format(-Math.floor(seconds / size), unit);
}

/** How long ago; the exact time stands in its title. */
export function Ago({ time }: { time: string }) {
  const [text, setText] = useState('');
  useEffect(() => {
    const tick = () => setText(ago(time));
    tick();
    ticks.add(tick);
    return () => void ticks.delete(tick);
  }, [time]);
  if (Number.isNaN(Date.parse(time))) return <Foreign text={time} />;
  return (
    <time dateTime={time} title={exact.format(new Date(time))}>
      {text || ago(time)}
    </time>
  );
}

/** Where the page is not served over TLS or from this machine, browsers have no clipboard for it: the old way then. */
async function put(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  const place = document.querySelector('dialog[open]') ?? document.body;
  place.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error(t.copyFailed);
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const [said, setSaid] = useState('');
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(''), 2_000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    put(text).then(
      () => setSaid(t.copied),
      () => setSaid(t.copyFailed),
    ).then(() => button.current?.focus({ preventScroll: true }));
  return (
    <button type="button" class="small" ref={button} onClick={copy} aria-label={said || label}>
      {said || t.copy}
    </button>
  );
}

/** A dialog that holds the keyboard; Escape and the button close it. The focus goes back to where it was. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  const cancel = (event: Event) => {
    event.preventDefault();
    close();
  };
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onCancel={cancel}>
      <h2 id="dialog-title">
        <Foreign text={title} />
      </h2>
      {children}
    </dialog>
  );
}

interface Confirmation {
  title: string;
  text: string;
  yes: string;
  act: () => void;
  close: () => void;
}

export function Confirm({ title, text, yes, act, close }: Confirmation) {
  return (
    <Dialog title={title} close={close}>
      <p>{text}</p>
      <p class="buttons">
        <button type="button" class="danger" onClick={() => (close(), act())}>
          {yes}
        </button>
        <button type="button" onClick={close} autofocus>
          {t.cancel}
        </button>
      </p>
    </Dialog>
  );
}

/** A view in words: empty, refused. `whole`: there is nothing else, and so its title is the page's. */
export function Notice({ title, whole, children }: { title: string; whole?: boolean; children?: ComponentChildren }) {
  return (
    <section class="notice">
      {whole ? <Heading>{title}</Heading> : <h2>{title}</h2>}
      {children}
    </section>
  );
}

export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div class="code">
      <Copy text={text} label={`${t.copy}: ${label}`} />
      <pre tabIndex={0} role="region" aria-label={label}>
        {visible(text)}
      </pre>
    </div>
  );
}

/** A heading that takes the focus when its view comes, so that the keyboard and a screen reader begin there. */
export function Heading({ children }: { children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    if (document.activeElement === document.body || !document.activeElement) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 tabIndex={-1} ref={heading}>
      {children}
    </h1>
  );
}
