import type { Text } from '../i18n/text.ts';

/** What an app password is for, as people call it; what is not known as the server does. */
export function serviceName(service: string, text: Text): string {
  switch (service) {
    case 'imap':
    case 'pop3':
      return service.toUpperCase();
    case 'submission':
      return text.say('settings.serviceSubmission');
    case 'webmail':
      return text.say('settings.serviceWebmail');
    default:
      return service;
  }
}

/** Those that pretend to be others stand before them. */
const BROWSERS = [
  ['Edge', /\bEdg(?:e|A|iOS)?\/(\d+)/],
  ['Opera', /\bOPR\/(\d+)/],
  ['Samsung Internet', /\bSamsungBrowser\/(\d+)/],
  ['Firefox', /\b(?:Firefox|FxiOS)\/(\d+)/],
  ['Chrome', /\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/],
  ['Safari', /\bVersion\/(\d+)\S* (?:Mobile\/\S+ )?Safari\//],
] as const;

const SYSTEMS = [
  ['Android', /\bAndroid\b/],
  ['iOS', /\b(?:iPhone|iPad|iPod)\b/],
  ['Windows', /\bWindows\b/],
  ['macOS', /\bMac OS X\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
] as const;

/** A browser as people know it, from its User-Agent: `Firefox 140, Linux`; else as it came. */
export function browserName(agent: string): string {
  for (const [name, pattern] of BROWSERS) {
    const [, version] = pattern.exec(agent) ?? [];
    if (version === undefined) continue;
    const system = SYSTEMS.find(([, mark]) => mark.test(agent))?.[0];
    return [`${name} ${version}`, ...(system === undefined ? [] : [system])].join(', ');
  }
  return agent;
}
