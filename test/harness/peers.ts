/** The peers: Debian's mail daemons, each started by one function. See README.md. */
export { ownAddress } from './addresses.ts';
export {
  type TestAuthority,
  type TestCertificate,
  makeAuthority,
  makeCertificate,
} from './certificate.ts';
export { type CourierOptions, courierSession, startCourier } from './courier.ts';
export { type DovecotOptions, type DovecotServer, startDovecot } from './dovecot.ts';
export { type InPeers, MAIL_GID, MAIL_UID, runInPeers, startInPeers } from './in-peers.ts';
export { type EximOptions, type EximServer, startExim } from './exim.ts';
export { type PostfixOptions, type PostfixServer, startPostfix } from './postfix.ts';
export { type Slapd, type SlapdOptions, startSlapd, startSlapdPair } from './slapd.ts';
export { type SinkOptions, type SmtpSink, runSmtpSource, startSmtpSink } from './smtp-sink.ts';
