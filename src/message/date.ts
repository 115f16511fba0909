/** RFC 5322 §3.3, in UTC. One text is kept for a second: it is asked for with every message. */
export function dateTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1000).toUTCString().replace('GMT', '+0000');
  }
  return lastText;
}
let lastSecond = Number.NaN;
let lastText = '';
