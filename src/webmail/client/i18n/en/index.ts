import { COMPOSE } from './compose.ts';
import { KEYS } from './keys.ts';
import { MAIL } from './mail.ts';
import { SETTINGS } from './settings.ts';

/** Every message; the keys of all languages. */
export const EN = { ...MAIL, ...KEYS, ...COMPOSE, ...SETTINGS } as const;
