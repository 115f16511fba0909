import { KEYS } from './keys.ts';
import { MAIL } from './mail.ts';

export const RU = { ...MAIL, ...KEYS } as const;
