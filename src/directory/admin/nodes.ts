import type { Entry } from 'ldapts';
import { toNode } from '../client/entries.ts';
import type { NodeRecord } from './api.ts';
import { Entries, type Farm, type Kind, type Proposed, type SetOptions } from './collection.ts';
import { AdminError } from './error.ts';
import { requireRight } from './identity.ts';
import * as names from './names.ts';
import { anyOf } from './query.ts';
import { recorded } from './record.ts';
import { Senders } from './senders.ts';
import * as values from './values.ts';

/** What may be given for a node; what is undefined stays. `add` needs nid and server. */
export interface NodeValues {
  readonly nid?: number | undefined;
  readonly server?: string | undefined;
  readonly status?: string | undefined;
  readonly listen?: readonly string[] | undefined;
  /** Takes the node's key away, so that the node gives itself another one (MF-NODE-006). */
  readonly newKey?: boolean | undefined;
  /** Whether it reads keys and passwords for mail that leaves; in `set` only. */
  readonly sends?: boolean | undefined;
}

const ABOUT = { place: 'nodes', levelled: false } as const;

/** Nodes: hosts that run services (S0-33, S0-43 to S0-46). */
export class Nodes extends Entries<NodeRecord, NodeValues> {
  /** Which nodes read secrets. */
  readonly senders: Senders;

  constructor(farm: Farm) {
    super(farm, new NodeKind(farm));
    this.senders = new Senders(farm.session);
  }

  override async add(name: string, given: NodeValues): Promise<NodeRecord> {
    return await super.add(name, { status: 'spm', ...given });
  }

  override async set(
    of: NodeRecord | string,
    { sends, ...given }: Partial<NodeValues>,
    options: SetOptions = {},
  ): Promise<NodeRecord> {
    const { dn } = typeof of === 'string' ? await this.get(of) : of;
    if (sends !== undefined) requireRight(this.farm.who, ABOUT, 'entries');
    // Before the key goes: whoever gives the node another one must not read with it.
    if (sends === false || given.newKey === true) await this.senders.leave(dn);
    const record = await super.set(of, given, options);
    if (sends === true) await this.senders.join(dn);
    return record;
  }

  override async remove(of: NodeRecord | string, options: SetOptions = {}): Promise<unknown> {
    const { dn } = typeof of === 'string' ? await this.get(of) : of;
    requireRight(this.farm.who, ABOUT, 'entries');
    await this.senders.leave(dn);
    return await super.remove(of, options);
  }

  /** @throws AdminError not-found */
  async show(name: string): Promise<NodeRecord> {
    return await this.get(name);
  }

  async list(): Promise<readonly NodeRecord[]> {
    return (await this.find()).items;
  }
}

/** `SERVICE HOST:PORT`; an IPv6 host in brackets. */
const LISTEN = /^[a-z][a-z0-9-]{0,31} (?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.*-]+):\d{1,5}$/;
/** One letter for each service, upper case up, lower case down (S0-34). */
const STATUS = /^[SPLMBAG]*$/i;

class NodeKind implements Kind<NodeRecord, NodeValues> {
  readonly what = 'node';
  readonly objectClass = 'mwNode';
  readonly place = 'nodes';
  readonly fields = {
    name: ['cn'],
    nid: ['nid'],
    server: ['server'],
    status: ['status'],
    listen: ['mwListen'],
    version: ['mwVersion'],
  };
  readonly #farm: Farm;

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  newName(given: string): string {
    return names.checkedName(given, 'node');
  }

  spellings(given: string): readonly string[] {
    return [names.checkedName(given, 'node')];
  }

  toRecord(entry: Entry): NodeRecord {
    return { ...recorded(entry), ...toNode(entry) };
  }

  toValues({ nid, server, status, listen, newKey }: Partial<NodeValues>) {
    if (status !== undefined && !STATUS.test(status)) {
      throw new AdminError('invalid', 'A status has letters of S, P, L, M, B, A, G only');
    }
    const wrong = listen?.find((line) => !LISTEN.test(line));
    if (wrong !== undefined) {
      throw new AdminError('invalid', `"${names.printable(wrong)}" is not SERVICE HOST:PORT`);
    }
    return {
      nid: values.given(nid, (value) => names.checkedCount(value, 'A node id')),
      server: values.given(server, names.checkedDomainName),
      status,
      mwListen: listen,
      userPassword: newKey === true ? [] : undefined,
    };
  }

  async check({ name, values: node, before }: Proposed<NodeRecord, NodeValues>): Promise<void> {
    if (!before && (node.nid === undefined || node.server === undefined)) {
      throw new AdminError('invalid', `The node ${name} needs a number and a server`);
    }
    if (node.nid === undefined) return;
    const { session } = this.#farm;
    const filter = anyOf(['nid'], [String(node.nid)]);
    const base = session.names.nodes;
    const found = await session.search({ base, objectClass: 'mwNode', filter, limit: 2 });
    // An entry of that name is no other node: to add it again says that it exists.
    const isOther = (entry: Entry): boolean =>
      before ? entry.dn !== before.dn : toNode(entry).name !== name;
    const holder = found.find(isOther);
    if (!holder) return;
    throw new AdminError('invalid', `The number ${node.nid} is that of ${holder.dn}`);
  }
}
