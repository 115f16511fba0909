/** Lines and literals: what is too long, too many, of the wrong kind, or not there at all. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import {
  EARLY_COMMAND_BYTES_MAX,
  LITERAL_MINUS_MAX,
  LITERALS_MAX,
  SKIPPED_LITERAL_MAX,
} from './options.ts';
import { StrictClient } from './testing/client.ts';
import { withServer, type TestServerOptions } from './testing/server.ts';

async function withClient(
  run: (client: StrictClient) => Promise<void>,
  options: TestServerOptions = {},
): Promise<void> {
  await withServer(options, async ({ port }) => {
    const client = await StrictClient.connect(port);
    await client.response();
    await run(client);
    client.close();
  });
}

const logIn = (client: StrictClient): Promise<string[]> =>
  client.ok('in LOGIN tevie "secret word"');

const alive = async (client: StrictClient): Promise<void> => {
  expect(await client.command('alive NOOP')).toEqual(['alive OK NOOP completed']);
};

test('[P-03] a command before login at its limit is read, one octet more is refused', async () => {
  await withClient(async (client) => {
    const fits = `1 NOOP ${'x'.repeat(EARLY_COMMAND_BYTES_MAX - 9)}`;
    expect(await client.command(fits)).toEqual(['1 BAD Too many arguments']);
    expect(await client.command(`${fits}x`)).toEqual(['1 BAD [TOOBIG] The line is too long']);
    await alive(client);
  });
});

test('[P-03] a literal that is too much is refused before its octets come', async () => {
  await withClient(async (client) => {
    expect(await client.command(`1 LOGIN {${EARLY_COMMAND_BYTES_MAX}}`)).toEqual([
      '1 BAD [TOOBIG] The command is too long',
    ]);
    expect(await client.command('2 LOGIN {99999999999999999999999}')).toEqual([
      '2 BAD A string is missing',
    ]);
    expect(await client.command('3 LOGIN {4294967296}')).toEqual([
      '3 BAD [TOOBIG] The command is too long',
    ]);
    await alive(client);
  });
});

test('[P-03] a literal that does not wait has 4,096 octets (RFC 7888 §5); more are skipped', async () => {
  await withClient(async (client) => {
    await logIn(client);
    const name = (octets: number): string => `{${octets}+}\r\n${'n'.repeat(octets)}`;
    expect(await client.command(`1 DELETE ${name(LITERAL_MINUS_MAX)}`)).toEqual([
      expect.stringMatching(/^1 NO \[/),
    ]);
    const longer = LITERAL_MINUS_MAX + 1;
    expect(await client.command(`2 RENAME ${name(longer)} ${name(longer)}`)).toEqual([
      '2 BAD [TOOBIG] A literal without waiting has at most 4096 octets',
    ]);
    await alive(client);
    expect(await client.command(`3 DELETE ${name(SKIPPED_LITERAL_MAX)}`)).toHaveLength(1);
    await alive(client);
    client.line(`4 DELETE {${SKIPPED_LITERAL_MAX + 1}+}`);
    expect(await client.waitFor(/^\* BYE/)).toHaveLength(2);
    expect(await client.response()).toBe(undefined);
  });
});

test('[P-03] literals that are none, or of the wrong kind', async () => {
  await withClient(
    async (client) => {
      await logIn(client);
      const rows: readonly [string, RegExp][] = [
        ['1 DELETE {-1}', /^1 BAD /],
        ['2 DELETE {}', /^2 BAD /],
        ['3 DELETE {1 }', /^3 BAD /],
        ['4 DELETE {1}x', /^4 BAD /],
        ['5 DELETE {01+}\r\nx', /^5 NO \[NONEXISTENT\]/],
        ['6 DELETE {0+}\r\n', /^6 NO \[CANNOT\]/],
        ['7 DELETE {3+}\r\na\0b', /^7 BAD A literal has a NUL/],
        ['8 DELETE {3+}\r\na\r\n', /^8 BAD /],
        ['9 DELETE {1+}\r\nx{1+}\r\ny', /^9 BAD Too many arguments/],
        ['10 NOOP {3+}\r\nabc', /^10 BAD Too many arguments/],
        ['11 XYZZY {3+}\r\nabc', /^11 BAD Unknown command/],
        ['12 DELETE ~{1+}\r\nx', /^12 NO \[NONEXISTENT\]/],
        ['{3+}\r\nabc NOOP', /^\* BAD A command begins with a tag/],
        ['13 DELETE "{1+}\r\nx"', /^13 BAD /],
      ];
      for (const [sent, answer] of rows) {
        client.line(sent);
        expect(await client.response(), sent).toMatch(answer);
      }
      await alive(client);
    },
    { values: { 'imap.bad-commands.max': 1_000 } },
  );
});

test('[P-03] a command has a thousand literals, not one more', async () => {
  await withClient(async (client) => {
    await logIn(client);
    const words = (count: number): string => '{1+}\r\nn '.repeat(count - 1) + '{1+}\r\nn';
    expect(await client.command(`1 ID (${words(60)})`)).toHaveLength(2);
    expect((await client.command(`2 ID (${words(LITERALS_MAX)})`)).at(-1)).toBe(
      '2 BAD ID has too many fields',
    );
    expect((await client.command(`3 ID (${words(LITERALS_MAX + 1)})`)).at(-1)).toBe(
      '3 BAD [TOOBIG] The command has too many literals',
    );
    await alive(client);
  });
});

test('[P-03] lists are as deep as they may be', async () => {
  await withClient(async (client) => {
    await logIn(client);
    await client.ok('s SELECT INBOX');
    const deep = (depth: number): string => `1 SEARCH ${'('.repeat(depth)}ALL${')'.repeat(depth)}`;
    expect((await client.command(deep(19))).at(-1)).toMatch(/^1 OK/);
    expect((await client.command(deep(100_000))).at(-1)).toMatch(/^1 BAD/);
    await alive(client);
  });
});

test('[P-03] a line without an end ends the connection', async () => {
  await withClient(async (client) => {
    client.strict = false;
    const closed = once(client.socket, 'close');
    client.socket.on('data', () => {});
    for (let sent = 0; sent < 8 && !client.socket.destroyed; sent += 1) {
      client.write('x'.repeat(100_000));
    }
    await closed;
  });
});

test('[P-03] who makes too many mistakes is sent away', async () => {
  await withClient(
    async (client) => {
      expect(await client.command('1 XYZZY')).toEqual(['1 BAD Unknown command']);
      expect(await client.command('2 XYZZY')).toEqual([
        '* BYE Too many bad commands, closing',
        '2 BAD Unknown command',
      ]);
      expect(await client.response()).toBe(undefined);
    },
    { values: { 'imap.bad-commands.max': 2 } },
  );
});

test('[P-03] APPEND: a literal that is refused is not waited for; what comes anyway is skipped', async () => {
  await withClient(async (client) => {
    await logIn(client);
    expect(await client.command('1 APPEND nothing {10}')).toEqual([
      expect.stringMatching(/^1 NO \[TRYCREATE\] /),
    ]);
    expect(await client.command('2 APPEND nothing {10+}\r\n0123456789')).toEqual([
      expect.stringMatching(/^2 NO \[TRYCREATE\] /),
    ]);
    expect(await client.command('3 APPEND INBOX {99999999999}')).toEqual([
      expect.stringMatching(/^3 NO \[TOOBIG\] /),
    ]);
    expect(await client.command('4 APPEND INBOX (\\Bad {5+}\r\nabcde')).toEqual([
      expect.stringMatching(/^4 BAD /),
    ]);
    await alive(client);
    client.line('5 APPEND {5}');
    expect(await client.response()).toBe('+ Go ahead');
    client.write('INBOX (\\Seen) {5}\r\n');
    expect(await client.response()).toBe('+ Go ahead');
    client.write('a\r\nb\n junk\r\n');
    expect(await client.response()).toMatch(/^5 BAD /);
    await alive(client);
    expect(await client.ok('6 STATUS INBOX (MESSAGES)')).toContain('* STATUS INBOX (MESSAGES 0)');
  });
});

test('[P-03] APPEND without waiting has 4,096 octets too: BAD [TOOBIG] (RFC 7888 §5)', async () => {
  await withClient(async (client) => {
    await logIn(client);
    const text = (octets: number): string => `{${octets}+}\r\n${'n'.repeat(octets)}`;
    const longer = LITERAL_MINUS_MAX + 1;
    const answer = '[TOOBIG] A literal without waiting has at most 4096 octets';
    expect(await client.command(`1 APPEND INBOX ${text(longer)}`)).toEqual([`1 BAD ${answer}`]);
    const second = `${text(LITERAL_MINUS_MAX)} ~${text(longer)}`;
    expect(await client.command(`2 APPEND INBOX ${second}`)).toEqual([`2 BAD ${answer}`]);
    await alive(client);
    expect(await client.ok('3 STATUS INBOX (MESSAGES)')).toContain('* STATUS INBOX (MESSAGES 0)');
    await client.ok(`4 APPEND INBOX ${text(LITERAL_MINUS_MAX)}`);
    client.line(`5 APPEND INBOX {${SKIPPED_LITERAL_MAX + 1}+}`);
    expect(await client.until('6')).toEqual([
      `5 BAD ${answer}`,
      expect.stringMatching(/^\* BYE \[TOOBIG\] /),
      'closed',
    ]);
  });
});

test('[P-03] pipelined commands are answered in order', async () => {
  await withClient(async (client) => {
    client.write(
      '1 LOGIN tevie "secret word"\r\n2 SELECT INBOX\r\n3 NOOP\r\n4 LOGOUT\r\n5 NOOP\r\n',
    );
    const tags: string[] = [];
    for (;;) {
      const response = await client.response();
      if (response === undefined) break;
      if (!response.startsWith('*')) tags.push(response.slice(0, 4));
    }
    expect(tags).toEqual(['1 OK', '2 OK', '3 OK', '4 OK']);
  });
});
