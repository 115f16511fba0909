/**
 * What the DNS says, against what it should. Wrong is what mail or its trust depends on; the rest
 * is advice. A customer's zone may say more than ours does: another sender in SPF, a policy of
 * DMARC that is his own.
 */
import { isIP } from 'node:net';
import type { Lookup, LookupType } from '../../dns/lookup.ts';
import {
  ehloName,
  mxNames,
  nodeAddresses,
  sends,
  type DnsRecord,
  type Farm,
  type Part,
} from './records.ts';

export interface Finding {
  readonly severity: 'wrong' | 'advice' | 'unknown';
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

/** Texts of which a domain has one, and what of it has to be as ours. */
const TEXTS: readonly {
  readonly begins: string;
  readonly holds: (text: string, ours: string) => boolean;
}[] = [
  {
    begins: 'v=spf1',
    // Whoever includes us may name others too.
    holds: (text, ours) =>
      text === ours ||
      text.split(' ').some((term) => term.startsWith('include:') && ours.includes(term)),
  },
  { begins: 'v=DMARC1', holds: () => true },
  { begins: 'v=TLSRPTv1', holds: () => true },
  { begins: 'v=STSv1', holds: () => true },
  { begins: 'v=DKIM1', holds: (text, ours) => keyOf(text) === keyOf(ours) },
];
const keyOf = (text: string): string | undefined =>
  /(?:^|;)\s*p=([^;]*)/.exec(text)?.[1]?.replaceAll(/\s/g, '');

const ESSENTIAL = /^(?:MX|A|AAAA)$/;
const isEssential = ({ type, value }: DnsRecord): boolean =>
  ESSENTIAL.test(type) || /^v=(?:spf1|DKIM1)/.test(value);

export async function checkPart(part: Part, farm: Farm, lookup: Lookup): Promise<Finding[]> {
  const groups = new Map<string, DnsRecord[]>();
  for (const record of part.records) {
    const key =
      record.type === 'TXT'
        ? `TXT ${record.name} ${record.value}`
        : `${record.type} ${record.name}`;
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  const found: Finding[] = [];
  for (const records of groups.values()) found.push(...(await checkGroup(records, farm, lookup)));
  return found;
}

async function checkGroup(
  records: readonly DnsRecord[],
  farm: Farm,
  lookup: Lookup,
): Promise<readonly Finding[]> {
  const [first] = records;
  if (first === undefined) return [];
  const { name, type } = first;
  const severity = isEssential(first) ? 'wrong' : 'advice';
  const say = (text: string, as: Finding['severity'] = severity): Finding => ({
    severity: as,
    name,
    type,
    text,
  });
  if (type === 'CNAME') return await checkAlias(first, lookup, say);
  const answer = await lookup.ask(type, name);
  if (answer.kind === 'trouble') return [say(answer.text, 'unknown')];
  const there = answer.kind === 'records' ? answer.records.map((one) => one.toLowerCase()) : [];
  const wanted = records.map(({ value }) => value.toLowerCase());
  if (type === 'TXT') {
    return checkText(first.value, answer.kind === 'records' ? answer.records : [], say);
  }
  const missing = wanted.filter((one) => !there.includes(one));
  const foreign = there.filter((one) => !wanted.includes(one));
  return [
    ...missing.map((one) => say(`is missing: ${one}`)),
    ...(type === 'MX'
      ? await Promise.all(foreign.map((one) => judgeMx(one, farm, lookup, say)))
      : foreign.map((one) => say(`is not of this farm: ${one}`))),
  ];
}

type Say = (text: string, as?: Finding['severity']) => Finding;

function checkText(ours: string, there: readonly string[], say: Say): readonly Finding[] {
  const kind = TEXTS.find(({ begins }) => ours.startsWith(begins));
  const alike = there.filter((one) => kind !== undefined && one.startsWith(kind.begins));
  if (alike.length > 1) return [say(`stands ${alike.length} times: receivers then use none`)];
  const [one] = alike;
  if (one === undefined) return [say(`is missing: ${ours}`)];
  return kind?.holds(one, ours) === true ? [] : [say(`is "${one}", not "${ours}"`)];
}

/** An MX that we did not write: a node by its own name, our address by another, or a stranger. */
async function judgeMx(value: string, farm: Farm, lookup: Lookup, say: Say): Promise<Finding> {
  const [preference = '', name = ''] = value.split(' ');
  const host = name.replace(/\.$/, '');
  const node = farm.nodes.find(({ name: own, server }) =>
    [own, server].some(
      (one) => one.toLowerCase() === host || host.startsWith(`${one.toLowerCase()}.`),
    ),
  );
  const mine = mxNames(farm);
  const mend = `name ${mine.join(' and ')} instead`;
  if (mine.includes(host))
    return say(`has preference ${preference}: all of ours are equal (S2-11)`);
  if (node) return say(`names the node ${host}, which may go any day: ${mend} (S4-02)`, 'wrong');
  const own = new Set([
    ...farm.nodes.flatMap((one) => nodeAddresses(farm, one)),
    ...farm.addresses,
  ]);
  const found = await addressesOf(host, lookup);
  return found.some((one) => own.has(one))
    ? say(`names ${host}, a name of somebody else for our address: ${mend} (S4-02)`, 'wrong')
    : say(`names ${host}, which is not of this farm: right where it is a filter`, 'advice');
}

/** Where a name leads to, whatever kinds of records lead there. */
async function addressesOf(host: string, lookup: Lookup): Promise<readonly string[]> {
  const answers = await Promise.all((['A', 'AAAA'] as const).map((type) => lookup.ask(type, host)));
  return answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []));
}

async function checkAlias(
  record: DnsRecord,
  lookup: Lookup,
  say: Say,
): Promise<readonly Finding[]> {
  const target = record.value.replace(/\.$/, '');
  const [there, wanted] = [
    await addressesOf(record.name, lookup),
    new Set(await addressesOf(target, lookup)),
  ];
  if (there.length === 0) return [say(`is missing: ${record.value}`)];
  return there.every((one) => wanted.has(one)) ? [] : [say(`does not lead where ${target} does`)];
}

/** Whether addresses that send lead to the name in EHLO, and that name back (S4-11). */
export async function checkReverse(farm: Farm, lookup: Lookup): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  const type: LookupType = 'PTR';
  for (const node of farm.nodes.filter((one) => sends(farm, one))) {
    const ehlo = ehloName(farm, node);
    for (const address of nodeAddresses(farm, node).filter((one) => isIP(one) !== 0)) {
      const answer = await lookup.ask(type, address);
      const say = (text: string, severity: Finding['severity']): unknown =>
        found.push({ severity, name: address, type, text });
      if (answer.kind === 'trouble') say(answer.text, 'unknown');
      else if (answer.kind !== 'records') say(`is missing: ${ehlo}.`, 'wrong');
      else if (!answer.records.includes(`${ehlo}.`)) {
        say(`is ${answer.records.join(', ')}; ${node.name} says ${ehlo} in EHLO`, 'wrong');
      } else if (!(await addressesOf(ehlo, lookup)).includes(address)) {
        say(`${ehlo} does not lead back to it`, 'wrong');
      }
    }
  }
  return found;
}
