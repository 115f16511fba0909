/**
 * What our test uses of jmap-jam. Its own types come as TypeScript with namespaces, which
 * `erasableSyntaxOnly` refuses, so tsconfig.json leads here.
 */

export interface Made {
  readonly id: string;
  readonly blobId: string;
}

/** What all answers have between them. */
export interface Answer {
  readonly ids: readonly string[];
  readonly list: readonly (Readonly<Record<string, string>> & {
    readonly id: string;
    readonly bodyValues?: Readonly<Record<string, { readonly value: string }>>;
  })[];
  readonly state: string;
  readonly oldState: string;
  readonly queryState: string;
  readonly canCalculateChanges: boolean;
  /** Ids in what changed, objects in what was set. */
  readonly created: readonly string[] & Readonly<Record<string, Made>>;
  readonly updated: readonly string[] & Readonly<Record<string, unknown>>;
  readonly destroyed: readonly string[];
  readonly notCreated: object | null;
  readonly notUpdated: object | null;
  readonly added: readonly Made[];
  readonly parsed: Readonly<Record<string, object>>;
}

type Method<T> = (args: object) => Promise<readonly [T]>;

export interface Drafted {
  $ref(path: string): object;
}

type Entities<T> = Readonly<
  Record<
    | 'Mailbox'
    | 'Thread'
    | 'Email'
    | 'SearchSnippet'
    | 'Identity'
    | 'EmailSubmission'
    | 'VacationResponse'
    | 'Core',
    Readonly<
      Record<
        'get' | 'set' | 'changes' | 'query' | 'queryChanges' | 'import' | 'parse' | 'copy' | 'echo',
        T
      >
    >
  >
>;

export interface Session {
  readonly username: string;
  readonly accounts: object;
  readonly capabilities: object;
}

export declare class JamClient {
  authHeader: string;
  session: Promise<Session>;
  readonly api: Entities<Method<Answer>>;
  constructor(config: { readonly bearerToken: string; readonly sessionUrl: string });
  static loadSession(sessionUrl: string, authHeader: string): Promise<Session>;
  static isProblemDetails(value: unknown): boolean;
  request(call: readonly [method: string, args: object]): Promise<readonly [Answer]>;
  requestMany<Name extends string>(
    draw: (all: Entities<(args: object) => Drafted>) => Readonly<Record<Name, Drafted>>,
  ): Promise<readonly [Readonly<Record<Name, Answer>>]>;
  getPrimaryAccount(): Promise<string>;
  uploadBlob(
    accountId: string,
    body: BodyInit,
    more?: RequestInit,
  ): Promise<{ readonly blobId: string; readonly size: number }>;
  downloadBlob(blob: {
    readonly accountId: string;
    readonly blobId: string;
    readonly mimeType: string;
    readonly fileName: string;
  }): Promise<Response>;
}
