import { hash } from 'node:crypto';
import type { Endpoint, SetUp } from './routes.ts';

/** What programs are told, in the formats that they read. */
export interface Addressed {
  /** As it was given; `@domain` where only that is known. */
  readonly address: string;
  readonly domain: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
const xml = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char);

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** Mozilla's configuration file, version 1.1. */
export function autoconfig(setUp: SetUp, { domain }: Addressed): string {
  const server = (kind: string, type: string, at: Endpoint | undefined): string =>
    at === undefined
      ? ''
      : `    <${kind} type="${type}">
      <hostname>${xml(at.host)}</hostname>
      <port>${at.port}</port>
      <socketType>${at.tls === 'implicit' ? 'SSL' : 'STARTTLS'}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </${kind}>
`;
  return `${HEAD}<clientConfig version="1.1">
  <emailProvider id="${xml(domain)}">
    <domain>${xml(domain)}</domain>
    <displayName>${xml(setUp.name)}</displayName>
    <displayShortName>${xml(setUp.name)}</displayShortName>
${server('incomingServer', 'imap', setUp.imap)}${server('incomingServer', 'pop3', setUp.pop3)}${server(
    'outgoingServer',
    'smtp',
    setUp.submission,
  )}  </emailProvider>
</clientConfig>
`;
}

const OUTLOOK = 'http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006';

/** The answer of plain old XML that Outlook takes ([MS-OXDSCLI] §2.2.4). */
export function autodiscover(setUp: SetUp, { address }: Addressed): string {
  const login = address.startsWith('@') ? '' : `\n        <LoginName>${xml(address)}</LoginName>`;
  const protocol = (type: string, at: Endpoint | undefined): string =>
    at === undefined
      ? ''
      : `      <Protocol>
        <Type>${type}</Type>
        <Server>${xml(at.host)}</Server>
        <Port>${at.port}</Port>${login}
        <DomainRequired>off</DomainRequired>
        <SPA>off</SPA>
        <SSL>${at.tls === 'implicit' ? 'on' : 'off'}</SSL>
        <Encryption>${at.tls === 'implicit' ? 'SSL' : 'TLS'}</Encryption>
        <AuthRequired>on</AuthRequired>
      </Protocol>
`;
  return `${HEAD}<Autodiscover xmlns="${OUTLOOK}">
  <Response xmlns="${OUTLOOK}a">
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
${protocol('IMAP', setUp.imap)}${protocol('POP3', setUp.pop3)}${protocol('SMTP', setUp.submission)}    </Account>
  </Response>
</Autodiscover>
`;
}

/** A profile of Apple's (com.apple.mail.managed). Its identifiers are the same for an address. */
export function mobileconfig(setUp: SetUp, { address, domain }: Addressed): string {
  const { imap, submission, name } = setUp;
  const text = (key: string, value: string): string =>
    `<key>${key}</key><string>${xml(value)}</string>`;
  const server = (which: string, at: Endpoint | undefined): readonly string[] =>
    at === undefined
      ? []
      : [
          text(`${which}MailServerAuthentication`, 'EmailAuthPassword'),
          text(`${which}MailServerHostName`, at.host),
          `<key>${which}MailServerPortNumber</key><integer>${at.port}</integer>`,
          `<key>${which}MailServerUseSSL</key><true/>`,
          text(`${which}MailServerUsername`, address),
        ];
  const id = domain.split('.').toReversed().join('.');
  const payload = [
    text('EmailAccountType', 'EmailTypeIMAP'),
    text('EmailAddress', address),
    text('EmailAccountDescription', name),
    ...server('Incoming', imap),
    ...server('Outgoing', submission),
    '<key>OutgoingPasswordSameAsIncomingPassword</key><true/>',
    text('PayloadType', 'com.apple.mail.managed'),
    '<key>PayloadVersion</key><integer>1</integer>',
    text('PayloadIdentifier', `${id}.mail.account`),
    text('PayloadUUID', uuid(`account ${address}`)),
    text('PayloadDisplayName', name),
  ];
  const profile = [
    `<key>PayloadContent</key><array><dict>\n${payload.join('\n')}\n</dict></array>`,
    text('PayloadType', 'Configuration'),
    '<key>PayloadVersion</key><integer>1</integer>',
    text('PayloadIdentifier', `${id}.mail`),
    text('PayloadUUID', uuid(`profile ${address}`)),
    text('PayloadDisplayName', `${name}: ${address}`),
    '<key>PayloadRemovalDisallowed</key><false/>',
  ];
  return `${HEAD}<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "${PLIST}">
<plist version="1.0"><dict>
${profile.join('\n')}
</dict></plist>
`;
}

const PLIST = 'http://www.apple.com/DTDs/PropertyList-1.0.dtd';

/** Of a text, in the form of RFC 9562 §5.8 (our own making). */
function uuid(text: string): string {
  const hex = hash('sha256', `mailfarm ${text}`, 'hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`];
  return [...parts, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-').toUpperCase();
}
