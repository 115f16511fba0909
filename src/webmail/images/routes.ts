/**
 * Pictures of messages that lie elsewhere, for users who asked to see them: whoever sent the letter
 * learns our host's address and not the user's, sees no cookie and no referrer.
 *
 *     GET /image?part=BLOB-ID&url=ADDRESS    200, 401, 403, 404, 429, 502
 *
 * No open relay of requests: only for who is signed in, only from our own page, and only what
 * stands in a message of that user (`part`: its HTML). How many at a time and in ten minutes is
 * limited for each user, in each worker. The page makes a `blob:` of the answer; a frame with a
 * message in it
 * fetches nothing, from here neither.
 */
import type { FastifyRequest } from 'fastify';
import type { WebAuthenticator } from '../../auth/web-types.ts';
import type { Clock } from '../../base/clock.ts';
import { WebProblem, type WebRoutes } from '../../http/web-types.ts';
import { AccountBlobs } from '../../jmap/blobs.ts';
import { InFlight } from '../../jmap/in-flight.ts';
import { Uploads } from '../../jmap/uploads.ts';
import { requireUser } from '../../jmap/who.ts';
import type { MailViews } from '../../mailbox/view.ts';
import { fetchImage, type FetchImageParts } from './fetch-image.ts';
import { standsIn } from './stands-in.ts';

export interface ImageParts extends FetchImageParts {
  readonly auth: Pick<WebAuthenticator, 'authenticate'>;
  readonly views: MailViews;
}

/** Of one user in one worker. */
const AT_ONCE_MAX = 6;
const IN_WINDOW_MAX = 1_000;
const WINDOW_MS = 600_000;
/** Characters. */
const ADDRESS_MAX = 4_096;

export const imageRoutes =
  (parts: ImageParts): WebRoutes =>
  (app, { clock, random }) => {
    const uploads = new Uploads({ clock, random, limits: { size: 0, total: 0, keepMs: 0 } });
    const limits = new UserLimits(clock);
    app.get<Asked>('/image', async (request, reply) => {
      requireOwnPage(request);
      const { account } = await requireUser(parts.auth, request, reply);
      const { part, url } = askedOf(request);
      const leave = limits.enter(account.id);
      try {
        const blob = await new AccountBlobs(await parts.views.of(account), uploads).open(part);
        if (!blob || !(await standsIn(blob.read(), url))) throw new WebProblem(NOT_IN_MESSAGE);
        const image = await fetchImage(url, parts);
        if (image.kind === 'refused') throw new WebProblem(NOT_TO_BE_HAD);
        return await reply
          .headers({
            'content-type': image.type,
            'content-disposition': 'attachment; filename="picture"',
            'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
            'cache-control': 'private, max-age=86400',
          })
          .send(image.content);
      } finally {
        leave();
      }
    });
  };

interface Asked {
  readonly Querystring: { readonly part?: unknown; readonly url?: unknown };
}

const NOT_IN_MESSAGE = { status: 404, title: 'No message of yours has this picture' };
/** One answer for all that can be wrong: what lies in our network is nobody's to find out. */
const NOT_TO_BE_HAD = { status: 502, title: 'The picture cannot be had' };

/** @throws WebProblem 400 */
function askedOf({ query }: FastifyRequest<Asked>): { part: string; url: string } {
  const { part, url } = query;
  const isAsked = typeof part === 'string' && typeof url === 'string' && part.startsWith('p');
  if (isAsked && url !== '' && url.length <= ADDRESS_MAX) return { part, url };
  throw new WebProblem({ status: 400, title: 'Ask for one picture of one part of a message' });
}

/** Another site's page would have us fetch, and learn by the time it takes. @throws WebProblem */
function requireOwnPage({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin') return;
  throw new WebProblem({ status: 403, title: 'A page of another site made this request' });
}

class UserLimits {
  readonly #running = new InFlight();
  readonly #clock: Clock;
  #counts = new Map<string, number>();
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns what ends it. @throws WebProblem 429 */
  enter(user: string): () => void {
    const now = this.#clock.now();
    if (now - this.#since >= WINDOW_MS) {
      this.#since = now;
      this.#counts = new Map();
    }
    const count = (this.#counts.get(user) ?? 0) + 1;
    if (count > IN_WINDOW_MAX) throw tooMany(this.#since + WINDOW_MS - now);
    if (!this.#running.enter(user, AT_ONCE_MAX)) throw tooMany(1_000);
    this.#counts.set(user, count);
    return () => this.#running.leave(user);
  }
}

const tooMany = (retryAfterMs: number): WebProblem =>
  new WebProblem({ status: 429, title: 'Too many pictures at a time', retryAfterMs });
