/** The peers: Debian's mail daemons, each started by one function. See README.md. */
export { type TestCertificate, makeCertificate } from './certificate.ts';
export { type CourierOptions, courierSession, startCourier } from './courier.ts';
export { type DovecotOptions, type DovecotServer, startDovecot } from './dovecot.ts';
export { type InPeers, MAIL_GID, MAIL_UID, runInPeers, startInPeers } from './in-peers.ts';
export { type PostfixOptions, type PostfixServer, startPostfix } from './postfix.ts';
export { type Slapd, type SlapdOptions, startSlapd, startSlapdPair } from './slapd.ts';
