/**
 * `node test/harness/install.ts`: installs what the tests with real clients and real peers need;
 * with `lab`, what the laboratory of test/lab needs and nothing else.
 * Quick and quiet when all is there. Where it may not install, it says loudly what is missing;
 * the tests concerned are skipped then. In CI (CI set) anything missing is a failure.
 */
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { findKernel, obtainKernel } from '../lab/kernel.ts';
import { forbiddenForFarm, missingForFarm, whyNoFarm } from '../lab/farm/needs.ts';
import { missingForLab } from '../lab/needs.ts';
import { run } from './process.ts';
import { buildPeersRoot, peersReady } from './peers-root.ts';

/** Debian package → a program of it (none: asked of dpkg), and the tests that need it. */
const CLIENTS: Readonly<Record<string, { readonly program: string; readonly tests: string }>> = {
  curl: { program: 'curl', tests: 'clients (SMTP and POP3)' },
  swaks: { program: 'swaks', tests: 'clients (SMTP)' },
  'libnet-ssleay-perl': { program: '', tests: 'swaks with TLS' },
  msmtp: { program: 'msmtp', tests: 'clients (SMTP)' },
  mpop: { program: 'mpop', tests: 'clients (POP3)' },
  fetchmail: { program: 'fetchmail', tests: 'clients (POP3)' },
  getmail6: { program: 'getmail', tests: 'clients (POP3)' },
  mutt: { program: 'mutt', tests: 'Maildir readers; clients (IMAP)' },
  isync: { program: 'mbsync', tests: 'clients (IMAP)' },
  interimap: { program: 'interimap', tests: 'clients (IMAP)' },
  python3: { program: 'python3', tests: 'clients, Maildir readers' },
  'python3-dkim': { program: '', tests: 'signatures before verifiers of other make' },
  'python3-nacl': { program: '', tests: 'signatures with Ed25519' },
  'ldap-utils': { program: 'ldapsearch', tests: 'directory with ldapadd' },
  openssl: { program: 'openssl', tests: 'everything with TLS' },
  debootstrap: { program: 'debootstrap', tests: 'everything with Postfix, Exim, Dovecot, Courier' },
  'ca-certificates': { program: 'update-ca-certificates', tests: 'clients with TLS' },
  iproute2: { program: 'ip', tests: 'network namespaces' },
  chromium: { program: 'chromium', tests: 'webmail in a browser' },
  haproxy: { program: 'haproxy', tests: 'webmail behind a balancer' },
  rsync: { program: 'rsync', tests: 'backup and restore' },
  prometheus: { program: 'promtool', tests: 'alert rules' },
};
const DPKG_INFO = '/var/lib/dpkg/info';
const POLICY = '/usr/sbin/policy-rc.d';
const DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

const say = (line: string): void => void process.stdout.write(`${line}\n`);
function isMissing(name: string): boolean {
  const program = CLIENTS[name]?.program ?? '';
  if (program !== '') return !DIRECTORIES.some((place) => existsSync(`${place}/${program}`));
  const lists = existsSync(DPKG_INFO) ? readdirSync(DPKG_INFO) : [];
  return !lists.some((file) => file === `${name}.list` || file.startsWith(`${name}:`));
}
const missing = (): string[] => Object.keys(CLIENTS).filter(isMissing);

/** Installs packages; nothing that they bring is started. @returns what went wrong, or ''. */
async function aptInstall(names: readonly string[]): Promise<string> {
  // invoke-rc.d asks this program, and 101 says no. An existing one is the machine's own business.
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n');
  if (ours) chmodSync(POLICY, 0o755);
  try {
    const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const flags = ['-q', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
    const install = ['apt-get', 'install', ...flags, ...names];
    const options = { env, ms: 600_000 };
    let result = await run(install, options);
    if (result.code !== 0) {
      say('  package lists are fetched');
      await run(['apt-get', 'update', '-q'], options);
      result = await run(install, options);
    }
    return result.code === 0 ? '' : result.stderr.trim();
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}

async function installPackages(what: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  say(`installing ${what}: ${names.join(' ')}`);
  const trouble = await aptInstall(names);
  if (trouble !== '') say(`  apt-get: ${trouble}`);
}

async function installPeers(): Promise<void> {
  if (peersReady() || missing().includes('debootstrap')) return;
  say('building the root with Postfix, Exim, Dovecot, OpenLDAP, Courier (once, about a minute)');
  try {
    await buildPeersRoot();
  } catch (error) {
    say(`  ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** @returns why the laboratory cannot run here, or '' */
async function prepareLab(mayInstall: boolean): Promise<string> {
  // Real hosts want more than the others, which go on where those cannot be had.
  const wanted = forbiddenForFarm() === '' ? missingForFarm() : missingForLab();
  if (mayInstall) await installPackages('for the laboratories', wanted);
  const absent = missingForLab();
  if (absent.length > 0) return `without ${absent.join(', ')}`;
  if (findKernel() !== undefined) return '';
  try {
    await obtainKernel(say);
    return '';
  } catch (error) {
    return `without a kernel: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** @returns the exit code. */
async function main(groups: readonly string[]): Promise<number> {
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  const labOnly = groups.includes('lab');
  if (mayInstall && !labOnly) {
    await installPackages('clients', missing());
    await installPeers();
  }
  const noLab = await prepareLab(mayInstall);
  if (labOnly) {
    if (noLab !== '') say(noLab);
    return noLab === '' ? 0 : 1;
  }
  const noFarm = whyNoFarm();
  const absent = missing();
  if (absent.length === 0 && peersReady() && noLab === '' && noFarm === '') return 0;
  say('');
  say('!!! NOT EVERYTHING THAT THE TESTS NEED IS HERE. Skipped will be:');
  for (const name of absent) say(`!!!   without ${name}: ${CLIENTS[name]?.tests}`);
  if (!peersReady())
    say('!!!   without the root of peers: tests with Postfix, Exim, Dovecot, Courier');
  if (noLab !== '') say(`!!!   ${noLab}: the laboratory (test/lab)`);
  if (noFarm !== '') say(`!!!   ${noFarm}: the laboratory of real hosts (test/lab/farm)`);
  if (!mayInstall) say('!!! Run it as root on Debian to have them installed.');
  say('');
  return process.env['CI'] === undefined ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
