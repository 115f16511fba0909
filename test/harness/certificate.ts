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
  const alternatives = names.map((name) => (/^[\d.:]+$/.test(name) ? 'IP:' : 'DNS:') + name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', key, '-out', certificate];
  const subject = ['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${alternatives.join()}`];
  const life = ['-days', '2'];
  await runOrThrow(['openssl', 'req', '-x509', ...curve, ...files, ...subject, ...life]);
  return { certificate, key };
}
