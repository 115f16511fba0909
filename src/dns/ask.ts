/**
 * One question to one resolver, with the AD bit of its answer, which node:dns does not show: over
 * UDP, and over TCP when the answer was cut short. Port and id are random, an answer from elsewhere
 * or to another question is not read; whoever is on the way could forge AD all the same, so DANE is
 * worth as much as the way to the resolver (RFC 7672 §2.2: best on this machine).
 */
import dnsPacket, { type Answer, type DecodedPacket } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Random } from '../base/random.ts';

export type QuestionType = 'MX' | 'A' | 'AAAA' | 'TLSA';

export interface Question {
  readonly type: QuestionType;
  readonly name: string;
}

export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface Asked {
  /** NOERROR, NXDOMAIN, SERVFAIL, … */
  readonly rcode: string;
  readonly secure: boolean;
  readonly answers: readonly Answer[];
}

/** EDNS(0) payload that passes everywhere unfragmented. */
const UDP_BYTES = 1232;

/** @throws Error when no answer that can be read came within `ms` */
export async function ask(
  question: Question,
  server: Server,
  parts: { readonly ms: number; readonly random: Random },
): Promise<Asked> {
  const query = encode(question, parts.random);
  const first = await overUdp(query, server, parts.ms);
  const packet = first.flag_tc ? await overTcp(query, server, parts.ms) : first;
  return {
    rcode: (packet as DecodedPacket & { rcode: string }).rcode,
    secure: packet.flag_ad,
    answers: packet.answers ?? [],
  };
}

interface Query {
  readonly id: number;
  readonly question: Question;
  readonly bytes: Buffer;
}

function encode(question: Question, random: Random): Query {
  const [high = 0, low = 0] = random.bytes(2);
  const id = high * 256 + low;
  const bytes = dnsPacket.encode({
    type: 'query',
    id,
    // AD in a question asks for AD in the answer (RFC 6840 §5.7).
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.AUTHENTIC_DATA,
    questions: [{ type: question.type, name: question.name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  return { id, question, bytes };
}

/** The answer to this query; undefined for anything else. */
function decode(query: Query, bytes: Buffer): DecodedPacket | undefined {
  try {
    const packet = dnsPacket.decode(bytes);
    const [asked] = packet.questions ?? [];
    const same =
      packet.type === 'response' &&
      packet.id === query.id &&
      asked?.name.toLowerCase() === query.question.name.toLowerCase() &&
      asked.type === query.question.type;
    return same ? packet : undefined;
  } catch {
    return undefined;
  }
}

const late = (server: Server, ms: number): Error =>
  new Error(`${server.host} did not answer within ${ms} ms`);

const overUdp = (query: Query, server: Server, ms: number): Promise<DecodedPacket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.close();
      act();
    };
    const timer = setTimeout(() => end(() => reject(late(server, ms))), ms);
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('message', (bytes) => {
      const packet = decode(query, bytes);
      if (packet) end(() => resolve(packet));
    });
    // Connected: the kernel drops what comes from another address or port.
    socket.on('connect', () => socket.send(query.bytes));
    socket.connect(server.port, server.host);
  });

const overTcp = (query: Query, server: Server, ms: number): Promise<DecodedPacket> =>
  new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host);
    let received = Buffer.alloc(0);
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    const timer = setTimeout(() => end(() => reject(late(server, ms))), ms);
    socket.on('error', (error) => end(() => reject(error)));
    socket.on('close', () => end(() => reject(new Error(`${server.host} closed`))));
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const packet = decode(query, received.subarray(2, 2 + received.readUInt16BE(0)));
      end(() =>
        packet ? resolve(packet) : reject(new Error(`${server.host} answered with no answer`)),
      );
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.bytes.length);
    socket.write(Buffer.concat([length, query.bytes]));
  });
