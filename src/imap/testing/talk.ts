import { expect } from 'vitest';
import { type Pieces, StrictClient } from './client.ts';
import { type TestServer, type TestServerOptions, withServer } from './server.ts';

/** What the client sends (a line, or octets with CRLF in them), then all that comes for it. */
export type Step = readonly [sent: string, ...responses: (string | RegExp)[]];

/** Logs in and says `first` (SELECT INBOX unless given otherwise), of which nothing is kept. */
export async function enter(
  port: number,
  first: readonly string[] = ['SELECT INBOX'],
  pieces: Pieces = 'whole',
): Promise<StrictClient> {
  const client = await StrictClient.connect(port, pieces);
  await client.response();
  await client.ok('l LOGIN tevie "secret word"');
  for (const [at, command] of first.entries()) {
    if (command === 'ENABLE IMAP4rev2') client.utf8 = true;
    await client.ok(`f${at} ${command}`);
  }
  return client;
}

/** Plays steps one by one: what comes for each is all that was expected. Tags have one letter. */
export async function play(client: StrictClient, steps: readonly Step[]): Promise<void> {
  let tag = '';
  for (const [sent, ...expected] of steps) {
    tag = /^([a-z]) [A-Za-z]/.exec(sent)?.[1] ?? tag; // Else more of the same command.
    client.line(sent);
    const told = await client.until(tag);
    const problem = `${JSON.stringify(sent)} brought\n${told.join('\n')}\n`;
    expect(told, problem).toHaveLength(expected.length);
    for (const [at, wanted] of expected.entries()) {
      if (typeof wanted === 'string') expect(told[at], problem).toBe(wanted);
      else expect(told[at], problem).toMatch(wanted);
    }
  }
}

export interface Talk extends TestServerOptions {
  readonly first?: readonly string[];
  readonly steps: readonly Step[];
  readonly pieces?: Pieces;
}

/** A server of its own, a client that has INBOX open, and what they say to each other. */
export async function talk(options: Talk): Promise<void> {
  await withServer(options, async ({ port }: TestServer) => {
    const client = await enter(port, options.first, options.pieces);
    await play(client, options.steps);
    client.close();
  });
}
