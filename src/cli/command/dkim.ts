import type { Admin } from '../../directory/admin/admin.ts';
import type { DomainRecord } from '../../directory/admin/api.ts';
import { checkedSelector } from '../../directory/admin/passed-on.ts';
import { dkimSecretName } from '../../directory/types.ts';
import { generateDkimKey, keyRecord, type DkimAlgorithm } from '../../message/dkim/keys.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagOn, flagText, UsageError, word, type Call, type Command } from '../command.ts';

/** A selector, and what has to stand in the DNS for it; the private key is shown nowhere. */
interface Selector {
  readonly selector: string;
  /** Whether mail is signed with it. */
  readonly signs: boolean;
  /** `s1._domainkey.example.test` */
  readonly name: string;
  /** Undefined: a key that `secret add` brought, whose record its maker printed. */
  readonly record: string | undefined;
}

const ENDING = '._domainkey.';

/** Its keys that are known, whether or not they sign. */
export async function selectorsOf(
  admin: Admin,
  domain: DomainRecord,
): Promise<readonly Selector[]> {
  const secrets = (await admin.secrets.list()).filter(
    ({ kind, name }) => kind === 'dkim' && name.endsWith(`${ENDING}${domain.name}`),
  );
  const known = secrets.map(({ name, description }) => ({
    selector: name.slice(0, name.indexOf(ENDING)),
    record: description,
  }));
  const lost = domain.dkim
    .filter((selector) => !known.some((one) => one.selector === selector))
    .map((selector) => ({ selector, record: undefined }));
  return [...known, ...lost].map(({ selector, record }) => ({
    selector,
    signs: domain.dkim.includes(selector),
    name: dkimSecretName(domain.name, selector),
    record,
  }));
}

/** The first of mf1, mf2, … that has no key. */
function freeSelector(taken: readonly Selector[]): string {
  for (let n = 1; ; n += 1) {
    if (!taken.some(({ selector }) => selector === `mf${n}`)) return `mf${n}`;
  }
}

/** The key first: a domain that names one which is not there lets its mail wait. */
async function makeKey(admin: Admin, call: Call): Promise<DomainRecord> {
  const domain = await admin.domains.get(word(call, 0));
  const taken = await selectorsOf(admin, domain);
  const selector = checkedSelector(flagText(call, 'selector') ?? freeSelector(taken));
  const pem = await generateDkimKey((flagText(call, 'algorithm') ?? 'rsa') as DkimAlgorithm);
  const description = keyRecord(pem, selector).text;
  await admin.secrets.add('dkim', dkimSecretName(domain.name, selector), pem, { description });
  const dkim = [...new Set([...domain.dkim, selector])];
  return await admin.domains.set(domain.name, { dkim });
}

/** The other way round: nothing signs with it any more, then it goes. */
async function removeKey(admin: Admin, call: Call, given: string): Promise<DomainRecord> {
  const selector = checkedSelector(given);
  const domain = await admin.domains.get(word(call, 0));
  const dkim = domain.dkim.filter((one) => one !== selector);
  const after = await admin.domains.set(domain.name, { dkim: dkim.length > 0 ? dkim : null });
  await admin.secrets.remove('dkim', dkimSecretName(domain.name, selector));
  return after;
}

function print(call: Call, selectors: readonly Selector[], domain: string): void {
  if (call.json) return call.out.json(selectors);
  if (selectors.length === 0) {
    return call.out.line(`${domain} has no key; mailfarm domain dkim ${domain} --new makes one`);
  }
  for (const { name, record, signs } of selectors) {
    call.out.line(`${signs ? 'signs' : 'does not sign'}: ${name}`);
    const shown = record?.match(/.{1,255}/g)?.map((part) => `"${part}"`);
    call.out.line(
      shown === undefined
        ? '  its record is not known here: whoever made the key has it'
        : `  ${name}. IN TXT ( ${shown.join(' ')} )`,
    );
  }
}

async function run(call: Call): Promise<void> {
  const [gone, isNew] = [flagText(call, 'remove'), flagOn(call, 'new')];
  if (isNew && gone !== undefined) throw new UsageError('--new and --remove exclude each other');
  if (!isNew && flagText(call, 'selector') !== undefined) {
    throw new UsageError('--selector names the key that --new makes');
  }
  const work = async (admin: Admin): Promise<readonly [DomainRecord, readonly Selector[]]> => {
    const domain = isNew
      ? await makeKey(admin, call)
      : gone === undefined
        ? await admin.domains.get(word(call, 0))
        : await removeKey(admin, call, gone);
    return [domain, await selectorsOf(admin, domain)];
  };
  const reads = !isNew && gone === undefined;
  const [domain, selectors] = await (reads ? withAdmin(call, work) : withChange(call, work));
  print(call, selectors, domain.name);
}

export const domainDkim: Command = {
  usage: 'DOMAIN [--new [--selector S] [--algorithm rsa|ed25519]] [--remove S]',
  summary: 'Shows or makes keys that sign mail of a domain, with their records for the DNS',
  examples: [
    'mailfarm domain dkim example.org --new',
    'mailfarm domain dkim example.org --new --selector k2027',
    'mailfarm domain dkim example.org --remove mf1',
  ],
  options: {
    new: { type: 'boolean', doc: 'Makes a key; mail is signed with it and with those before' },
    selector: { type: 'string', value: 'S', doc: 'Its name; else the next of mf1, mf2, …' },
    algorithm: {
      type: 'string',
      choices: ['rsa', 'ed25519'],
      doc: 'rsa by default, which every receiver knows',
    },
    remove: { type: 'string', value: 'S', doc: 'Signs with it no more, and removes the key' },
  },
  args: [1, 1],
  run,
};
