import type { FastifyInstance } from 'fastify';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { OptionValues } from '../config/options.ts';
import type { Logger } from '../log/types.ts';
import type { Peer } from '../net/types.ts';
import type { WEB_OPTIONS } from './web-options.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is at the other end, also behind a balancer that sends a PROXY header. */
    readonly peer: Peer & { readonly secure: boolean };
    /** Who the request is of; set by whoever found out, for the line in the log. */
    login: string | undefined;
  }
}

export type WebOptionValues = OptionValues<typeof WEB_OPTIONS>;

/** What a module that answers requests is given by the service it is part of. */
export interface WebParts {
  readonly values: WebOptionValues;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Requests without end: told when the node drains. Returns what takes the listener away. */
  onDrain(end: () => void): () => void;
}

/**
 * A module's routes: registered in a context of their own, so that its hooks and parsers of
 * bodies are its own. Bodies are JSON of at most `web.body.size` unless the route says otherwise.
 */
export type WebRoutes = (app: FastifyInstance, parts: WebParts) => void | Promise<void>;

/** An answer that is an error (RFC 9457), in words for whoever sees it. */
export interface Problem {
  readonly status: number;
  /** A URI; `about:blank` where nothing is said. */
  readonly type?: string;
  readonly title: string;
  /** What happened, to what, what to do. */
  readonly detail?: string;
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** More members. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Thrown by a route that has to refuse. */
export class WebProblem extends Error {
  readonly problem: Problem;
  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail ?? problem.title, options);
    this.name = 'WebProblem';
    this.problem = problem;
  }
}
