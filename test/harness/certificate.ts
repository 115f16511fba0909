import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOrThrow } from './process.ts';

/** PEM files of a self-signed certificate, which is its own authority. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** Makes one for `names` (DNS names or addresses) in `directory`, valid for two days. */
export async function makeCertificate(
  directory: string,
  names: readonly string[] = ['localhost', '127.0.0.1'],
): Promise<TestCertificate> {
  const certificate = join(directory, `${names[0]}.cert.pem`);
  const key = join(directory, `${names[0]}.key.pem`);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', key, '-out', certificate];
  const subject = ['-subj', `/CN=${names[0]}`, '-addext', alternatives(names)];
  const life = ['-days', '2'];
  await runOrThrow(['openssl', 'req', '-x509', ...curve, ...files, ...subject, ...life]);
  return { certificate, key };
}

const alternatives = (names: readonly string[]): string =>
  `subjectAltName=${names.map((name) => (/^[\d.:]+$/.test(name) ? 'IP:' : 'DNS:') + name).join()}`;

/** An authority of the test's own. */
export interface TestAuthority {
  /** PEM file for those who shall trust it. */
  readonly authority: string;
  /** A certificate that it signed; an expired one ended a day ago. */
  issue(
    names: readonly string[],
    options?: { readonly expired?: boolean },
  ): Promise<TestCertificate>;
}

/** Makes an authority in `directory`, which also gets what it issues. */
export async function makeAuthority(directory: string): Promise<TestAuthority> {
  const authority = join(directory, 'authority.pem');
  const authorityKey = join(directory, 'authority.key.pem');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const root = ['-subj', '/CN=Authority of a test', '-days', '3'];
  const files = ['-keyout', authorityKey, '-out', authority];
  await runOrThrow(['openssl', 'req', '-x509', ...key, ...files, ...root]);
  let issued = 0;
  const issue: TestAuthority['issue'] = async (names, options = {}) => {
    issued += 1;
    const [own, request, certificate, extensions] = ['key', 'request', 'cert', 'extensions'].map(
      (what) => join(directory, `${names[0]}.${issued}.${what}.pem`),
    ) as [string, string, string, string];
    writeFileSync(extensions, `${alternatives(names)}\nbasicConstraints=CA:FALSE\n`);
    const asked = ['-keyout', own, '-out', request, '-subj', `/CN=${names[0]}`];
    await runOrThrow(['openssl', 'req', ...key, ...asked]);
    const signer = ['-CA', authority, '-CAkey', authorityKey, '-set_serial', String(issued)];
    const life = ['-days', options.expired === true ? '-1' : '2', '-extfile', extensions];
    const inOut = ['-in', request, '-out', certificate];
    await runOrThrow(['openssl', 'x509', '-req', ...inOut, ...signer, ...life]);
    return { certificate, key: own };
  };
  return { authority, issue };
}
