/** Sign-in and sign-out: the only requests that are made without a session. */
export type SignInResult =
  | { readonly kind: 'signed-in' }
  | { readonly kind: 'code-needed' }
  | { readonly kind: 'code-refused' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'throttled'; readonly retryAfterSeconds: number }
  /** No node, or none that can tell. */
  | { readonly kind: 'unavailable' };

export interface Credentials {
  readonly login: string;
  readonly password: string;
  readonly code?: string;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const KINDS = ['code-needed', 'code-refused', 'refused', 'suspended'] as const;

export async function signIn(fetch: Fetch, credentials: Credentials): Promise<SignInResult> {
  let response: Response;
  try {
    response = await post(fetch, '/auth/sign-in', credentials);
  } catch {
    return { kind: 'unavailable' };
  }
  if (response.ok) {
    const answer = await kindOf(response);
    return answer === 'code-needed' ? { kind: answer } : { kind: 'signed-in' };
  }
  if (response.status === 429) {
    const seconds = Number(response.headers.get('Retry-After') ?? 60);
    return { kind: 'throttled', retryAfterSeconds: Number.isFinite(seconds) ? seconds : 60 };
  }
  if (response.status >= 500) return { kind: 'unavailable' };
  const answer = await kindOf(response);
  const known = KINDS.find((kind) => kind === answer);
  return known ? { kind: known } : { kind: 'refused' };
}

/**
 * Ends the session. `here`: this browser is signed out, but the service could not write it down.
 * `failed`: nobody answered, or none who could; the browser is signed in as before.
 */
export async function signOut(fetch: Fetch): Promise<'ended' | 'here' | 'failed'> {
  try {
    const response = await post(fetch, '/auth/sign-out', {});
    if (!response.ok) return 'failed';
    const { ended } = (await response.json()) as { ended?: unknown };
    return ended === false ? 'here' : 'ended';
  } catch {
    return 'failed';
  }
}

function post(fetch: Fetch, url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function kindOf(response: Response): Promise<unknown> {
  try {
    return ((await response.json()) as { kind?: unknown }).kind;
  } catch {
    return undefined;
  }
}
