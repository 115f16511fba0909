import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { checkPattern, formatRuleTarget, parseRuleTarget, RuleError } from '../rules.ts';
import { DirectoryUnavailable, type RuleTarget } from '../types.ts';
import type { RuleRecord, RuleValues } from './api.ts';
import { Entries, type Farm, type Kind, type Proposed } from './collection.ts';
import { AdminError } from './error.ts';
import * as names from './names.ts';
import { anyOf } from './query.ts';
import { recorded } from './record.ts';
import * as values from './values.ts';
import { requireMailboxes } from './volumes.ts';

const SMTP_PORT = 25;

/** Rules: where addresses of a pattern go that have no place of their own. */
export class Rules extends Entries<RuleRecord, RuleValues> {
  constructor(farm: Farm) {
    super(farm, new RuleKind(farm));
  }

  /** In the order in which they are tried. */
  async inOrder(): Promise<readonly RuleRecord[]> {
    return [...(await this.find())].toSorted(
      (a, b) => a.order - b.order || (a.name < b.name ? -1 : 1),
    );
  }
}

class RuleKind implements Kind<RuleRecord, RuleValues> {
  readonly what = 'rule';
  readonly objectClass = 'mwRule';
  readonly place = 'rules';
  readonly fields = {
    name: ['cn'],
    order: ['mwOrder'],
    pattern: ['mwPattern'],
    target: ['mwTarget'],
  };
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  newName(given: string): string {
    return names.checkedName(given, 'rule');
  }

  spellings(given: string): readonly string[] {
    return [names.checkedName(given, 'rule')];
  }

  toRecord(entry: Entry): RuleRecord {
    try {
      return {
        ...recorded(entry),
        name: valuesOf(entry, 'cn')[0] ?? '',
        order: Number(valuesOf(entry, 'mwOrder')[0]),
        pattern: valuesOf(entry, 'mwPattern')[0] ?? '',
        target: parseRuleTarget(valuesOf(entry, 'mwTarget')[0] ?? ''),
      };
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      const text = `The entry ${entry.dn} is damaged: ${error.message} (MF-DIR-004)`;
      throw new DirectoryUnavailable(text, { cause: error });
    }
  }

  toValues({ order, pattern, target, description }: Partial<RuleValues>) {
    if (pattern !== undefined) asInvalid(() => checkPattern(pattern));
    return {
      mwOrder: values.given(order, (value) => names.checkedCount(value, 'The order of a rule')),
      mwPattern: pattern,
      mwTarget: values.given(target, (value) => formatRuleTarget(targetOf(value))),
      description: values.given(description, values.text('A description')),
    };
  }

  async check({ name, values: rule, before }: Proposed<RuleRecord, RuleValues>): Promise<void> {
    const { order, pattern, target } = rule;
    if (!before && (order === undefined || pattern === undefined || target === undefined)) {
      throw new AdminError('invalid', `The rule ${name} needs an order, a pattern and a target`);
    }
    const place = target === undefined ? undefined : targetOf(target);
    if (place?.kind !== 'volume') return;
    const { session } = this.#farm;
    const filter = anyOf(['cn'], [place.volume]);
    const base = session.names.volumes;
    const [volume] = await session.search({ base, objectClass: 'mwVolume', filter, limit: 1 });
    requireMailboxes(volume);
    if (volume && valuesOf(volume, 'cn')[0] === place.volume) return;
    throw new AdminError('not-found', `There is no volume ${place.volume} for the rule ${name}`);
  }
}

/** As the directory keeps it; `host:NAME` is `host:NAME:25`. @throws AdminError invalid */
function targetOf(text: string): RuleTarget {
  const bare = /^host:(?:[^:[\]]+|\[[^\]]*\])$/.test(text);
  return asInvalid(() => parseRuleTarget(bare ? `${text}:${SMTP_PORT}` : text));
}

function asInvalid<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RuleError)) throw error;
    throw new AdminError('invalid', error.message.replace(/\.$/, ''), { cause: error });
  }
}
