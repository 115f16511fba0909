import type { OptionValues } from '../../config/options.ts';
import type { WEBMAIL_OPTIONS } from '../options.ts';
import { stsPolicy } from './mta-sts.ts';
import type { Endpoint, SetUp } from './routes.ts';

/** A listener of the node: `SERVICE HOST:PORT`, taken apart. */
export interface Listener {
  readonly service: string;
  readonly port: number;
}

/** Ports where TLS begins with a command of the protocol (RFC 8314 §3). */
const STARTTLS_PORTS: ReadonlySet<number> = new Set([143, 110, 587]);

/** Of each protocol the service that is TLS from the start, then the other (RFC 8314 §3.3). */
const SERVICES = {
  imap: ['imaps', 'imap'],
  pop3: ['pop3s', 'pop3'],
  submission: ['submissions', 'submission'],
} as const;

/** What programs are told: what the farm's settings say, else where this node listens. */
export function setUpOf(given: {
  readonly values: OptionValues<typeof WEBMAIL_OPTIONS>;
  readonly listen: readonly Listener[];
  readonly hostName: string;
}): SetUp {
  const { values, listen, hostName } = given;
  const at = (protocol: keyof typeof SERVICES): Endpoint | undefined => {
    const said = values[`webmail.set-up.${protocol}`];
    if (said !== '') return endpointOf(said);
    const [implicit, starttls] = SERVICES[protocol].map((service) =>
      listen.find((one) => one.service === service),
    );
    if (implicit) return { host: hostName, port: implicit.port, tls: 'implicit' };
    return starttls && { host: hostName, port: starttls.port, tls: 'starttls' };
  };
  return {
    name: values['webmail.name'],
    imap: at('imap'),
    pop3: at('pop3'),
    submission: at('submission'),
    mtaSts: stsPolicy(values['webmail.mta-sts'], hostName),
  };
}

/** Undefined for what is no HOST:PORT: then nothing is told rather than something wrong. */
export function endpointOf(text: string): Endpoint | undefined {
  const [, host, digits] = /^([A-Za-z0-9.-]{1,253}):(\d{1,5})$/.exec(text.trim()) ?? [];
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port, tls: STARTTLS_PORTS.has(port) ? 'starttls' : 'implicit' };
}
