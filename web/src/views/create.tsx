// The dialog that makes a session, built from what its Game declares.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { go, link } from '../address.ts';
import { Problem, call } from '../api.ts';
import { asked, chosen, defaults, numeric, request, wrong, type Values } from '../parameters.ts';
import { Code, Dialog, Foreign } from '../parts.tsx';
import type { Game, ParameterDeclaration, Resource, Session } from '../shape.ts';
import { useKnown } from '../store.ts';
import { t } from '../texts.ts';
import { wishYaml } from '../yaml.ts';

const USER = 'dev-user';

export function Create({ params, close }: { params: URLSearchParams; close: () => void }) {
  const games = useKnown((known) => known.games);
  const problem = useKnown((known) => known.gamesProblem);
  const sessions = useKnown((known) => known.sessions);
  const again = params.get('again') ?? '';
  const before = sessions?.get(again);
  // The form takes its values once: from a session, only when that is known.
  const complete = games && (!again || sessions);
  return (
    <Dialog title={t.createTitle} close={close}>
      {!complete && <p role="status">{problem ? t.createFailed(problem.message) : t.loading}</p>}
      {games && games.length === 0 && <p>{t.gamesEmpty}</p>}
      {games && complete && games.length > 0 ? (
        <Form games={games} first={before?.game ?? params.get('game') ?? ''} before={before} close={close} />
      ) : (
        <p class="buttons">
          <button type="button" onClick={close}>
            {t.close}
          </button>
        </p>
      )}
    </Dialog>
  );
}

interface FormProps {
  games: Game[];
  first: string;
  before: Session | undefined;
  close: () => void;
}

function Form({ games, first, before, close }: FormProps) {
  const [name, setName] = useState(() => games.find((one) => one.name === first)?.name ?? games[0]?.name ?? '');
  const game = games.find((one) => one.name === name) ?? games[0];
  const signedIn = useKnown((known) => known.signedIn);
  const [user, setUser] = useState(before?.userId ?? (signedIn ? '' : USER));
  const [values, setValues] = useState<Values>(() => (game ? defaults(game) : {}));
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failed, setFailed] = useState('');
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  // One key a form: pressed twice, or sent again after a lost answer, it is one session.
  const key = useRef(crypto.getRandomValues(new Uint32Array(4)).join('-'));

  // What the session before had set, where the gateway tells.
  useEffect(() => {
    if (!before || !game) return;
    call<Resource>('GET', `sessions/${encodeURIComponent(before.id)}/resource`).then(
      ({ spec }) => setValues(defaults(game, Object.fromEntries((spec.parameters ?? []).map((one) => [one.name, one.value])))),
      () => undefined,
    );
  }, []);
  // The list of games may come after the dialog: the keyboard belongs to the form then, too.
  useLayoutEffect(() => {
    if (!form.current?.contains(document.activeElement)) form.current?.querySelector('select')?.focus();
  }, []);
  if (!game) return null;

  const choose = (name: string) => {
    const next = games.find((one) => one.name === name);
    setName(name);
    setErrors({});
    if (next) setValues(defaults(next));
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    const found: Record<string, string> = {};
    if (user.trim() === '' && !signedIn) found['user'] = t.isMissing;
    for (const one of asked(game)) {
      const why = wrong(one, values[one.name] ?? '');
      if (why) found[one.name] = why;
    }
    setErrors(found);
    setFailed('');
    const [bad] = Object.keys(found);
    if (bad !== undefined) {
      form.current?.querySelector<HTMLElement>(`#${CSS.escape(`field-${bad}`)}`)?.focus();
      return;
    }
    setBusy(true);
    try {
      const body = request(game, user.trim(), values);
      const headers = { Prefer: 'respond-async', 'Idempotency-Key': key.current };
      const made = await call<Session>('POST', 'sessions', { body, headers });
      // In the dialog's place: Back leads to the view below it, and not to the filled form.
      go(link.session(made.id), true);
    } catch (error) {
      // Another request than the one that the key was for: a new try is a new session.
      if (error instanceof Problem && error.status >= 400) key.current = crypto.getRandomValues(new Uint32Array(4)).join('-');
      setFailed(t.createFailed(error instanceof Error ? error.message : String(error)));
      setBusy(false);
    }
  };
  return (
    <form ref={form} onSubmit={submit} noValidate>
      <Field id="game" label={t.createGame} help={game.storage ? t.keeps : t.keepsNothing}>
        <select id="field-game" aria-describedby="help-game" value={name} onChange={(event) => choose(event.currentTarget.value)} autofocus>
          {games.map((one) => (
            <option key={one.name} value={one.name}>
              {one.title ? `${one.title} (${one.name})` : one.name}
            </option>
          ))}
        </select>
      </Field>
      <Field id="user" label={t.createUser} help={signedIn ? t.createUserSelf : t.createUserHelp} error={errors['user']} required={!signedIn}>
        <input
          id="field-user"
          value={user}
          maxLength={253}
          required={!signedIn}
          autoComplete="off"
          aria-invalid={!!errors['user']}
          aria-describedby="help-user error-user"
          onInput={(event) => setUser(event.currentTarget.value)}
        />
      </Field>
      {asked(game).length === 0 && <p class="help">{t.noParameters}</p>}
      {asked(game).map((one) => (
        <Parameter
          key={`${name} ${one.name}`}
          declared={one}
          value={values[one.name] ?? ''}
          error={errors[one.name]}
          change={(value) => setValues((values) => ({ ...values, [one.name]: value }))}
        />
      ))}
      {failed && <p role="alert">{failed}</p>}
      <p class="buttons">
        <button type="submit" class="main" aria-disabled={busy}>
          {busy ? t.creating : t.create}
        </button>
        <button type="button" onClick={close}>
          {t.cancel}
        </button>
      </p>
      <details>
        <summary>{t.asYaml}</summary>
        <Code text={wishYaml(before ? `${before.id}-2` : 'my-session', game.name, user.trim(), chosen(game, values))} label={t.manifest} />
      </details>
    </form>
  );
}

interface FieldProps {
  id: string;
  label: string;
  help?: string;
  error?: string | undefined;
  required?: boolean;
  children: preact.ComponentChildren;
}

function Field({ id, label, help, error, required, children }: FieldProps) {
  return (
    <div class="field">
      <label for={`field-${id}`}>
        <Foreign text={label} />
        {required && <span class="faint"> ({t.required})</span>}
      </label>
      {children}
      {help && (
        <span class="help" id={`help-${id}`}>
          <Foreign text={help} />
        </span>
      )}
      {error && (
        <span class="error" id={`error-${id}`}>
          <Foreign text={error} />
        </span>
      )}
    </div>
  );
}

interface ParameterProps {
  declared: ParameterDeclaration;
  value: string;
  error: string | undefined;
  change: (value: string) => void;
}

function Parameter({ declared, value, error, change }: ParameterProps) {
  const { name, description, pattern, required } = declared;
  const help = [description, declared.default !== undefined && t.defaultIs(declared.default), pattern && t.mustMatch(pattern)];
  const common = {
    id: `field-${name}`,
    value,
    'aria-invalid': !!error,
    'aria-required': !!required,
    'aria-describedby': `help-${name} error-${name}`,
  };
  return (
    <Field id={name} label={name} help={help.filter(Boolean).join(' · ')} error={error} {...(required ? { required } : {})}>
      {declared.enum ? (
        <select {...common} onChange={(event) => change(event.currentTarget.value)}>
          {declared.default === undefined && <option value="">{t.notSet}</option>}
          {declared.enum.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...common}
          maxLength={1024}
          autoComplete="off"
          spellcheck={false}
          inputMode={numeric(declared) ? 'numeric' : undefined}
          onInput={(event) => change(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
