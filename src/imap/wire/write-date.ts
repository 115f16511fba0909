const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'].concat([
  'Jul',
  'Aug',
  'Sep',
  'Oct',
  'Nov',
  'Dec',
]);
const DAY_SECONDS = 86_400;

const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);

// Messages of one day stand together in a folder: a day's text is made once.
let lastDay = Number.NaN;
let lastDayText = '';

/** A `date-time` with its quotes (RFC 9051 §9), in UTC: INTERNALDATE, SAVEDATE. */
export function writeDateTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const day = Math.floor(seconds / DAY_SECONDS);
  if (day !== lastDay) {
    lastDayText = dayText(new Date(day * DAY_SECONDS * 1000));
    lastDay = day;
  }
  const time = seconds - day * DAY_SECONDS;
  const minutes = Math.floor(time / 60);
  const hour = two(Math.floor(minutes / 60));
  return `"${lastDayText} ${hour}:${two(minutes % 60)}:${two(time % 60)} +0000"`;
}

const dayText = (day: Date): string =>
  `${String(day.getUTCDate()).padStart(2, ' ')}-${MONTHS[day.getUTCMonth()]}-` +
  String(day.getUTCFullYear()).padStart(4, '0');
