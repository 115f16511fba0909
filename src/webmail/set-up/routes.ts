/**
 * Client set-up by itself (P-10): a program that knows an address hears where IMAP, POP3 and
 * submission are. The answer is made of the farm's settings and the address as it was given, so
 * that it is the same for addresses that exist and those that do not; a domain that is not ours
 * gets none.
 *
 *     GET      /.well-known/autoconfig/mail/config-v1.1.xml   Thunderbird and others
 *     GET      /mail/config-v1.1.xml                          the same at autoconfig.DOMAIN
 *     GET POST /autodiscover/autodiscover.xml                 Outlook
 *     GET      /set-up/mailfarm.mobileconfig?address=         Apple
 *     GET      /.well-known/mta-sts.txt   at mta-sts.DOMAIN: the policy for senders (RFC 8461)
 *     GET      /set-up?address=                               for a page that shows the settings
 */
import type { FastifyInstance } from 'fastify';
import { addressKey } from '../../directory/address.ts';
import type { Directory } from '../../directory/types.ts';
import { WebProblem } from '../../http/web-types.ts';
import { autoconfig, autodiscover, mobileconfig } from './documents.ts';

/** Where a program connects. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly tls: 'implicit' | 'starttls';
}

/** What programs are told; undefined: the farm has no such service. */
export interface SetUp {
  /** What people call this farm. */
  readonly name: string;
  readonly imap: Endpoint | undefined;
  readonly pop3: Endpoint | undefined;
  readonly submission: Endpoint | undefined;
  /** The MTA-STS policy; undefined: none. */
  readonly mtaSts?: string | undefined;
}

export interface SetUpParts {
  readonly directory: Pick<Directory, 'domain'>;
  readonly setUp: SetUp;
}

const XML = 'text/xml; charset=utf-8';
const ADDRESS_LENGTH_MAX = 320;
/** A request of Outlook has some hundred octets. */
const XML_BYTES_MAX = 8_192;

interface Asked {
  readonly address: string;
  readonly domain: string;
}

export async function setUpRoutes(app: FastifyInstance, parts: SetUpParts): Promise<void> {
  const { setUp } = parts;
  type Query = { Querystring: Readonly<Record<string, unknown>> };

  for (const url of ['/.well-known/autoconfig/mail/config-v1.1.xml', '/mail/config-v1.1.xml']) {
    app.get<Query>(url, async ({ query, headers }, reply) => {
      const given = query['emailaddress'] ?? `@${domainOfHost(headers.host)}`;
      const asked = await requireOurs(parts, given);
      return reply.type(XML).send(autoconfig(setUp, asked));
    });
  }

  app.get('/.well-known/mta-sts.txt', async ({ headers }, reply) => {
    await requireOurs(parts, `@${domainOfHost(headers.host)}`);
    if (setUp.mtaSts === undefined) throw new WebProblem({ status: 404, title: 'No policy' });
    return reply.type('text/plain; charset=utf-8').send(setUp.mtaSts);
  });

  app.get<Query>('/set-up', async ({ query }) => {
    const { address, domain } = await requireOurs(parts, query['address']);
    const { name, imap, pop3, submission } = setUp;
    const found = { imap: imap ?? null, pop3: pop3 ?? null, submission: submission ?? null };
    return { name, address, domain, login: address, ...found };
  });

  app.get<Query>('/set-up/mailfarm.mobileconfig', async ({ query }, reply) => {
    const asked = await requireOurs(parts, query['address']);
    if (asked.address.startsWith('@') || !setUp.imap || !setUp.submission) {
      throw new WebProblem({ status: 404, title: 'There is no profile for this address' });
    }
    reply.header('content-disposition', 'attachment; filename="mail.mobileconfig"');
    return reply.type('application/x-apple-aspen-config').send(mobileconfig(setUp, asked));
  });

  // Outlook posts XML, of any type; bodies of these routes are texts, and no XML parser sees them.
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    const limits = { parseAs: 'string', bodyLimit: XML_BYTES_MAX } as const;
    scope.addContentTypeParser('*', limits, (_, body, done) => done(null, body));
    for (const folder of ['autodiscover', 'Autodiscover', 'AutoDiscover']) {
      for (const file of ['autodiscover.xml', 'Autodiscover.xml', 'AutoDiscover.xml']) {
        scope.route<Query>({
          method: ['GET', 'POST'],
          url: `/${folder}/${file}`,
          handler: async ({ query, headers, body }, reply) => {
            const given = addressInRequest(body) ?? query['email'] ?? query['EmailAddress'];
            const asked = await requireOurs(parts, given ?? `@${domainOfHost(headers.host)}`);
            return reply.type(XML).send(autodiscover(setUp, asked));
          },
        });
      }
    }
  });
}

/** @throws WebProblem 400, 404; DirectoryUnavailable */
async function requireOurs({ directory }: SetUpParts, given: unknown): Promise<Asked> {
  const text = typeof given === 'string' ? given.trim() : '';
  const domainOnly = text.startsWith('@');
  const key = addressKey(domainOnly ? `x${text}` : text);
  const fits = text.length <= ADDRESS_LENGTH_MAX && /^[^\s<>&"'\p{Cc}]+$/u.test(text);
  if (!fits || key?.domain === undefined) {
    throw new WebProblem({
      status: 400,
      title: 'Give an address, such as ?address=me@example.org',
    });
  }
  const domain = await directory.domain(key.domain);
  if (domain !== undefined && domain.transport === undefined) {
    return { address: text, domain: domain.name };
  }
  throw new WebProblem({ status: 404, title: 'This is not the mail server of that domain' });
}

/** `autoconfig.example.org` answers for example.org. */
const domainOfHost = (host = ''): string =>
  host.replace(/:\d+$/, '').replace(/^(autoconfig|autodiscover|mta-sts)\./i, '');

/**
 * The address in a request of Outlook ([MS-OXDSCLI] §2.2.3). It is cut out of the text: entities,
 * document types and what else XML can do is never looked at, and a text with `<!` is none of
 * Outlook's.
 */
function addressInRequest(body: unknown): string | undefined {
  if (typeof body !== 'string' || body.includes('<!')) return undefined;
  return /<EMailAddress>\s*([^<\s]{3,320})\s*<\/EMailAddress>/.exec(body)?.[1];
}
