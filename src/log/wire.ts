/** Wire transcripts have four steps, so that no one turns on passwords by turning on detail. */
export const WIRE_TRACES = ['off', 'commands', 'credentials', 'bodies'] as const;
export type WireTrace = (typeof WIRE_TRACES)[number];

/** What a line on the wire is; the protocol says so, since only it can know. */
export type WireKind = 'command' | 'credential' | 'body';

/**
 * What of a line of a conversation goes to the log: undefined is nothing at all. Credentials show
 * at `credentials` and `bodies`, the octets of messages at `bodies` only.
 */
export function wireLine(trace: WireTrace, kind: WireKind, line: string): string | undefined {
  if (trace === 'off') return undefined;
  if (kind === 'credential') return trace === 'commands' ? '***' : line;
  if (kind === 'body') return trace === 'bodies' ? line : '...';
  return line;
}
