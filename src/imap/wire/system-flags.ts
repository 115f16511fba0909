/** In the order that clients expect (RFC 9051 §2.3.2). */
export const SYSTEM_FLAGS: readonly string[] = [
  String.raw`\Answered`,
  String.raw`\Flagged`,
  String.raw`\Deleted`,
  String.raw`\Seen`,
  String.raw`\Draft`,
];
