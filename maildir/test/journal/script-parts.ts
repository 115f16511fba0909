import type { FlagChange } from '../../src/journal/types.ts';
import type { Host } from './host.ts';
import { INBOX, MAILDIR } from './places.ts';

/** What scripts of scenarios are made of. */
export const HOUR_MS = 3_600_000;
/** As long as an absence must last to be a proof, and a little more. */
export const PROOF_MS = 11_000;

export const flag = (uid: number, letters: string, how: FlagChange['how'] = 'add'): FlagChange => {
  return { uids: [uid], how, letters, keywords: [] };
};
export const label = (uid: number, ...keywords: readonly string[]): FlagChange => {
  return { uids: [uid], how: 'add', letters: '', keywords };
};

/** A Maildir as any program makes it, with letters `1.first`, `2.first`, … that lie in cur/. */
export async function maildir(host: Host, letters: number): Promise<void> {
  await host.foreign('mkdir', '/mail1');
  await host.maildirs.create(MAILDIR, { root: '/mail1' });
  for (let at = 1; at <= letters; at++) {
    await host.deliver(`${at}.first`);
    await host.foreign('rename', `${MAILDIR}/new/${at}.first`, `${MAILDIR}/cur/${at}.first:2,`);
  }
}

/** With a journal, in which all have numbers. */
export const numbered =
  (letters: number) =>
  async (host: Host): Promise<void> => {
    await maildir(host, letters);
    await host.sync();
    await host.wait(2_000);
  };

/** One thing after the other. */
export const inTurn =
  (...steps: readonly ((host: Host) => Promise<unknown>)[]) =>
  async (host: Host): Promise<void> => {
    for (const step of steps) await step(host);
  };

export const sync = (host: Host): Promise<unknown> => host.sync();
export const waits =
  (ms: number) =>
  (host: Host): Promise<unknown> =>
    host.wait(ms);

/** So many commits, each of which changes a keyword. */
export const commits =
  (count: number, uid = 1) =>
  async (host: Host): Promise<void> => {
    for (let at = 0; at < count; at++) {
      const how = at % 2 === 0 ? 'add' : 'remove';
      await host.store({ uids: [uid], how, letters: '', keywords: [`k${host.name}`] });
    }
  };

/** A file of which a program knows how its name begins: it lists, as programs do. */
async function found(host: Host, directory: string, begin: string): Promise<string | undefined> {
  const names = (await host.foreign('list', directory)) as readonly string[];
  const name = names.find((listed) => listed.startsWith(begin));
  return name === undefined ? undefined : `${directory}/${name}`;
}

/** mutt changes flags, or moves to cur/. */
export const byMutt =
  (key: string, letters: string) =>
  async (host: Host): Promise<void> => {
    const path =
      (await found(host, `${MAILDIR}/cur`, key)) ?? (await found(host, `${MAILDIR}/new`, key));
    if (path === undefined) return;
    await host.foreign('rename', path, `${MAILDIR}/cur/${key}:2,${letters}`).catch(() => {});
  };

/** A program without a journal removes a letter. */
export const removes =
  (key: string) =>
  async (host: Host): Promise<void> => {
    const path = await found(host, `${MAILDIR}/cur`, key);
    if (path !== undefined) await host.foreign('unlink', path).catch(() => {});
  };

/** What this host has been shown, and only that. */
export const expungesIfThere =
  (uid: number) =>
  async (host: Host): Promise<unknown> => {
    const shown = host.journals.known(INBOX)?.messages.some((message) => message.uid === uid);
    return shown === true ? host.expunge([uid]) : undefined;
  };
