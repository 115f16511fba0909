import type { RuleRecord, RuleValues } from '../../directory/admin/api.ts';
import { addressKey } from '../../directory/address.ts';
import { formatRuleTarget, matchesPattern, RuleError } from '../../directory/rules.ts';
import { withAdmin } from '../administration.ts';
import { collectionRuns } from '../collection.ts';
import {
  flagCount,
  flagGiven,
  flagText,
  quoted,
  UsageError,
  word,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';
import { exitCode } from '../../config/exit.ts';
import { printFields } from '../print.ts';

const FIELDS = {
  order: { type: 'string', value: 'N', doc: 'Rules are tried in this order' },
  pattern: { type: 'string', value: 'RE2', doc: 'What the whole address matches, in lower case' },
  target: { type: 'string', value: 'TARGET', doc: 'volume:NAME or host:NAME[:PORT]' },
  description: { type: 'string', value: 'TEXT', doc: 'For people' },
} as const satisfies OptionRows;

const valuesOf = (call: Call): RuleValues => ({
  order: flagCount(call, 'order'),
  pattern: flagText(call, 'pattern'),
  target: flagText(call, 'target'),
  description: flagGiven(call, 'description'),
});

const print = (call: Call, rule: RuleRecord): void =>
  printFields(call, rule, [
    ['rule', rule.name],
    ['order', String(rule.order)],
    ['pattern', rule.pattern],
    ['target', formatRuleTarget(rule.target)],
  ]);

async function list(call: Call): Promise<void> {
  const rules = await withAdmin(call, (admin) => admin.rules.inOrder());
  if (call.json) return call.out.json(rules);
  call.out.table(
    [{ title: 'order', align: 'right' }, 'rule', 'pattern', 'target'],
    rules.map((rule) => [
      String(rule.order),
      rule.name,
      rule.pattern,
      formatRuleTarget(rule.target),
    ]),
  );
}

/** Each rule in its order, up to the one that decides, as front ends try them (S1-03). */
async function test(call: Call): Promise<number> {
  const key = addressKey(word(call, 0));
  if (key?.domain === undefined) throw new UsageError(`${quoted(word(call, 0))} is no address`);
  const address = `${key.local}@${key.domain}`;
  const rules = await withAdmin(call, (admin) => admin.rules.inOrder());
  const tried: { rule: string; result: string }[] = [];
  let decides: RuleRecord | undefined;
  let fault: string | undefined;
  for (const rule of rules) {
    try {
      const fits = matchesPattern(rule.pattern, address);
      tried.push({ rule: rule.name, result: fits ? 'decides' : 'does not match' });
      if (fits) decides = rule;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      fault = error.message;
      tried.push({ rule: rule.name, result: `cannot be used: ${fault}` });
    }
    if (decides || fault !== undefined) break;
  }
  const target = decides && formatRuleTarget(decides.target);
  if (call.json)
    call.out.json({ address, rule: decides?.name ?? null, target: target ?? null, tried });
  else {
    for (const { rule, result } of tried) call.out.line(`${rule}: ${result}`);
    if (decides) call.out.line(`${address} goes to ${target ?? ''} by rule ${decides.name}`);
    else if (fault === undefined) call.out.line(`no rule matches ${address}`);
    else call.out.line(`mail for ${address} is deferred until the rule is mended`);
  }
  return exitCode(fault === undefined ? 'ok' : 'data');
}

const runs = collectionRuns({ of: (admin) => admin.rules, values: valuesOf, print });

export const RULE_COMMANDS: Group = {
  'rule add': {
    usage: 'NAME --order N --pattern RE2 --target volume:NAME|host:NAME[:PORT]',
    summary: 'Adds a rule: where addresses go that have no place of their own',
    examples: [
      "mailfarm rule add students --order 10 --pattern '.*@students\\.example\\.test' --target volume:mail2",
      "mailfarm rule add old --order 20 --pattern '.*@old\\.test' --target host:old.example.test",
    ],
    options: FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = valuesOf(call);
      for (const name of ['order', 'pattern', 'target'] as const) {
        if (values[name] === undefined) throw new UsageError(`rule add needs --${name}`);
      }
      await runs.add(call);
    },
  },
  'rule show': {
    usage: 'NAME',
    summary: 'Shows a rule',
    examples: ['mailfarm rule show students'],
    args: [1, 1],
    run: runs.show,
  },
  'rule set': {
    usage: 'NAME [--order N] [--pattern RE2] [--target TARGET]',
    summary: 'Changes a rule',
    examples: ['mailfarm rule set students --order 5'],
    options: FIELDS,
    args: [1, 1],
    run: runs.set,
  },
  'rule list': {
    usage: '',
    summary: 'Lists rules, in the order in which they are tried',
    examples: ['mailfarm rule list'],
    args: [0, 0],
    run: list,
  },
  'rule remove': {
    usage: 'NAME',
    summary: 'Removes a rule',
    examples: ['mailfarm rule remove old'],
    args: [1, 1],
    run: runs.remove,
  },
  'rule test': {
    usage: 'ADDRESS',
    summary: 'Says which rule decides about an address',
    examples: ['mailfarm rule test somebody@students.example.test'],
    args: [1, 1],
    run: test,
  },
};
