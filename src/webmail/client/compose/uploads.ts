/** Files on their way to the server (RFC 8620 §6.1), with what has gone so far. */
import type { App } from '../model/app.ts';

export interface UploadAnswer {
  readonly status: number;
  readonly text: string;
}

/** One try. Rejects where no answer came. */
export type Upload = (
  url: string,
  file: Blob,
  options: { readonly onProgress: (octets: number) => void; readonly signal: AbortSignal },
) => Promise<UploadAnswer>;

const TRIES = 5;
const WAIT_MS = 2000;

/** @returns the blob's id; throws Error with what the server says, AbortError */
export async function uploadFile(
  app: App,
  file: File,
  options: { readonly onProgress: (octets: number) => void; readonly signal: AbortSignal },
): Promise<string> {
  const { connection, browser } = app;
  const url = connection.session.uploadUrl.replace('{accountId}', connection.accountId);
  for (let tries = 1; ; tries += 1) {
    let answer: UploadAnswer | undefined;
    try {
      answer = await browser.upload(url, file, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (tries === TRIES) throw error;
    }
    if (answer && answer.status < 300) {
      return (JSON.parse(answer.text) as { blobId: string }).blobId;
    }
    // Waits for the sign-in, and for a node that answers.
    if (answer?.status === 401) await connection.open(options.signal);
    const { status = 500 } = answer ?? {};
    const isFinal = status !== 401 && status !== 429 && status < 500;
    if (answer && (isFinal || tries === TRIES)) throw new Error(problemOf(answer));
    if (tries > 1) await new Promise<void>((go) => void browser.clock.after(WAIT_MS, go));
  }
}

function problemOf({ status, text }: UploadAnswer): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return detail ?? title ?? `HTTP ${status}`;
  } catch {
    return `HTTP ${status}`;
  }
}
