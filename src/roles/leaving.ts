/** What one worker runs for mail that leaves the farm: who it is, what it tells, what it sends. */
import type { OpenedDelivery } from '../delivery/delivery.ts';
import { createResolver } from '../dns/resolver.ts';
import { FarmWake } from '../relay/wake.ts';
import { knownNodesIn } from '../relay/known-nodes.ts';
import { OwnFarm } from '../relay/own-farm.ts';
import { PopMarks } from '../relay/pop-marks.ts';
import { tellRelay } from '../relay/tell.ts';
import { openSending, sendsMail } from '../relay/sending.ts';
import type { EtrnAnswer, EtrnRequest, SessionView } from '../smtp/types.ts';
import type { Marks } from '../spool/marks.ts';
import type { OutboundSpools } from '../spool/outbound.ts';
import type { VolumeTable } from '../volumes/table.ts';
import type { EngineParts } from './engines.ts';
import { hostNameOf, type Values } from './plan.ts';

export interface LeavingParts extends EngineParts {
  readonly values: Values;
  readonly table: VolumeTable;
  readonly spools: OutboundSpools;
  readonly marks: Marks;
  readonly delivery: OpenedDelivery;
  /** Whether this node mounts the mail volumes. */
  readonly mailboxes: boolean;
}

export interface Leaving {
  readonly farm: OwnFarm;
  readonly marks: Marks;
  readonly pop: PopMarks;
  readonly etrn: (session: SessionView, request: EtrnRequest) => Promise<EtrnAnswer>;
  /** Gives back what is being sent. */
  drain(ms: number): Promise<void>;
  close(): void;
}

export function openLeaving(parts: LeavingParts): Leaving {
  const { plan, directory, values, table, spools, marks, logger, clock, random } = parts;
  const { name: node, sending: source } = plan.file;
  const addresses = values['farm.addresses'];
  const hostName = hostNameOf(plan, values);
  const helo = source.helo ?? (node.includes('.') ? node : hostName);
  const farm = new OwnFarm({
    directory,
    clock,
    logger,
    node,
    addresses,
    names: [hostName, helo],
    kept: knownNodesIn(plan.file.data),
  });
  const pop = new PopMarks({
    directory,
    marks,
    minutes: values['relay.pop.minutes'],
    clock,
    logger,
  });
  const wake = new FarmWake({
    directory,
    spools,
    woken: (lane) => sender?.wake(lane),
    reachesAll: () =>
      table.volumes.every(
        ({ entry, up }) => entry.use !== 'spool' || up || entry.state === 'offline',
      ),
    farm,
    node,
    etrnFrom: values['relay.etrn.from'],
    tell: tellRelay(helo),
    logger,
  });
  const resolver = createResolver({ options: values, clock, random, logger });
  const sends = sendsMail(values['relay.send'], plan.listen);
  const sender = sends
    ? openSending({
        ...parts,
        options: values,
        farm,
        resolver,
        hostName,
        source: { ...source, helo },
      })
    : undefined;
  return {
    farm,
    marks,
    pop,
    etrn: (session, request) => wake.etrn(session, request),
    drain: async (ms) => sender?.drain(ms),
    close: () => {
      farm.close();
      resolver.close();
    },
  };
}
