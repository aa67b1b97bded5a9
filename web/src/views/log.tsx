// The tail of a session's log, followed. What a game writes is text and nothing else; so much of it is kept.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { Problem, stream } from '../api.ts';
import { visible } from '../parts.tsx';
import type { Session } from '../shape.ts';
import { t } from '../texts.ts';

/** Lines that are kept, and characters of them: more would slow the browser and help nobody. */
const LINES = 1_000;
const CHARACTERS = 200_000;

export function Log({ session }: { session: Session }) {
  const [text, setText] = useState('');
  const [said, setSaid] = useState(t.loading);
  const [again, setAgain] = useState(0);
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  // Another container has another log, and on the way to one each step may be the one that makes it.
  const step = ['Pending', 'Starting'].includes(session.phase) ? session.reason : session.started;
  const container = `${session.restarts} ${step ?? ''}`;

  useEffect(() => {
    const control = new AbortController();
    let kept = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      timer = undefined;
      setText(kept);
    };
    const got = {
      open: () => setSaid(''),
      text(piece: string) {
        kept = tail(kept + visible(piece));
        timer ??= setTimeout(draw, 50);
      },
    };
    // What was shown stays until there is something else.
    setSaid(t.loading);
    const path = `sessions/${encodeURIComponent(session.id)}/logs?tail=200&follow=true`;
    stream(path, 'text/plain', got, control.signal).catch((error: unknown) => {
      const why = error instanceof Problem ? error : new Problem(0, String(error));
      if (why.status !== 0) setText('');
      setSaid(why.status === 404 || why.status === 409 ? t.logNone : t.logFailed(why.message));
    });
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [session.id, container, again]);

  useLayoutEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current!;
    atEnd.current = scrollHeight - scrollTop - clientHeight < 8;
  };
  return (
    <section aria-labelledby="log">
      <div class="head">
        <h2 id="log">{t.log}</h2>
        <button type="button" class="small" onClick={() => setAgain(again + 1)}>
          {t.logAgain}
        </button>
      </div>
      <pre class="log" ref={box} onScroll={scrolled} tabIndex={0} role="log" aria-live="off" aria-labelledby="log">
        {text || said || t.logEmpty}
      </pre>
      {text && said && <p class="faint">{said}</p>}
    </section>
  );
}

/** The end of a log that has grown too long, from the beginning of a line. */
export function tail(text: string): string {
  let from = Math.max(0, text.length - CHARACTERS);
  let lines = 0;
  for (let at = text.length - 1; at > from; at -= 1) {
    if (text[at] === '\n' && ++lines > LINES) {
      from = at + 1;
      break;
    }
  }
  return from === 0 ? text : text.slice(from);
}
