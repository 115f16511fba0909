import type { SeedEntry } from './frame.ts';
import { nameDn } from './dn.ts';
import { LEVELS } from './rights.ts';
import { layout } from './schema.ts';
import type { NodeEntry, VolumeEntry } from './types.ts';

export const DEMO_DOMAIN = 'example.test';
export const DEMO_PASSWORD = 'demo';

export interface DemoOptions {
  readonly suffix: string;
  readonly volumes: readonly VolumeEntry[];
  readonly node: NodeEntry;
}

/**
 * What the demo's directory starts with, behind the frame of every farm: alice, bob and the
 * administrator at example.test (password `demo`), the domain, the volumes and the node.
 * Given to `serveEmbeddedDirectory` as `firstStart: { entries: demoEntries(…), administrators:
 * [demoAdministrator(suffix)], settings: {…} }`.
 */
export function demoEntries(options: DemoOptions): readonly SeedEntry[] {
  const names = layout(options.suffix);
  const user = (name: string, uid: number, more: Record<string, string> = {}): SeedEntry => ({
    dn: nameDn('cn', `${name}@${DEMO_DOMAIN}`, names.users),
    attributes: {
      objectClass: ['top', 'mwUser'],
      cn: `${name}@${DEMO_DOMAIN}`,
      uid: String(uid),
      userPassword: DEMO_PASSWORD,
      ...more,
    },
  });
  return [
    {
      dn: nameDn('cn', DEMO_DOMAIN, names.domains),
      attributes: { objectClass: ['top', 'mwDomain'], cn: DEMO_DOMAIN },
    },
    user('alice', 2001),
    user('bob', 2002),
    user('admin', 2003, {
      mailAlias: `postmaster@${DEMO_DOMAIN}`,
      mwLevel: String(LEVELS.administrator),
    }),
    ...options.volumes.map((volume) => volumeEntry(volume, names.volumes)),
    {
      dn: nameDn('cn', options.node.name, names.nodes),
      attributes: {
        objectClass: ['top', 'mwNode'],
        cn: options.node.name,
        nid: String(options.node.nid),
        server: options.node.server,
        status: options.node.status,
        mwListen: options.node.listen,
      },
    },
  ];
}

const volumeEntry = (volume: VolumeEntry, base: string): SeedEntry => ({
  dn: nameDn('cn', volume.name, base),
  attributes: {
    objectClass: ['top', 'mwVolume'],
    cn: volume.name,
    mwMountPath: volume.path,
    mwIdentity: volume.identity,
    mwWeight: String(volume.weight),
    mwState: volume.state,
    ...(volume.use === 'spool' && { mwUse: 'spool' }),
  },
});

/** DN of the demo's administrator, who becomes a member of cn=administrators. */
export const demoAdministrator = (suffix: string): string =>
  nameDn('cn', `admin@${DEMO_DOMAIN}`, layout(suffix).users);
