import { KEYS } from './keys.ts';
import { MAIL } from './mail.ts';

/** Every message; the keys of all languages. */
export const EN = { ...MAIL, ...KEYS } as const;
