import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** Who is at the other end, after the PROXY protocol was read where it was expected. */
export interface Peer {
  readonly remoteAddress: string; // IPv4 in its plain form, never ::ffff:1.2.3.4
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The session's trace id, in logs, Received and error replies. */
  readonly id: string;
}

/** A connection ready for its protocol: PROXY header read, implicit TLS handshake done. */
export interface Connection extends Peer {
  readonly socket: Socket | TLSSocket;
  readonly secure: boolean;
  /** Name the client asked for by SNI, where TLS is up. */
  readonly servername: string | undefined;
}

/**
 * A protocol service of one process. `net/` opens sockets and gives connections to it; the
 * supervisor's workers and a test's in-process listener use the same interface.
 */
export interface Service {
  /** Takes over the connection: the service owns the socket from here on. */
  handle(connection: Connection): void;
  /** Connections that are open now. */
  readonly connections: number;
  /**
   * Accepts nothing new, tells idle clients, lets running commands finish, then closes; after
   * `ms` milliseconds closes whatever is left. Resolves when no connection is open.
   */
  drain(ms: number): Promise<void>;
}

/** Where TLS contexts come from. Contexts change when files change; ask at each handshake. */
export interface TlsContexts {
  /** The context for a server name; the default one for unknown names and for undefined. */
  context(servername: string | undefined): import('node:tls').SecureContext;
}
