// Sign-in with a token. It goes to the thread that calls the gateway, and nothing here remembers it.

import { useRef } from 'preact/hooks';

import { Foreign, Heading } from '../parts.tsx';
import { signIn } from '../store.ts';
import { t } from '../texts.ts';

export function SignIn({ why }: { why: string }) {
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const input = field.current;
    const token = input?.value.trim() ?? '';
    if (!input || !token) return;
    input.value = '';
    void signIn(token);
  };
  return (
    <form class="sign-in" onSubmit={submit}>
      <Heading>{t.signInTitle}</Heading>
      <p>{t.signInHelp}</p>
      {why && (
        <p role="alert" id="sign-in-error">
          <Foreign text={t.signInFailed(why)} />
        </p>
      )}
      <label for="token">{t.token}</label>
      <input id="token" ref={field} type="password" autoComplete="off" spellcheck={false} required aria-describedby={why ? 'sign-in-error' : undefined} />
      <p class="help">
        {t.tokenHow}{' '}
        <code>
          {t.tokenCommand.split(' ').map((word) => (
            <>
              <span class="word">{word}</span>{' '}
            </>
          ))}
        </code>
      </p>
      <p>
        <button type="submit" class="main">
          {t.signIn}
        </button>
      </p>
    </form>
  );
}
