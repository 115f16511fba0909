import { COMPOSE } from './compose.ts';
import { KEYS } from './keys.ts';
import { MAIL } from './mail.ts';
import { SETTINGS } from './settings.ts';

export const RU = { ...MAIL, ...KEYS, ...COMPOSE, ...SETTINGS } as const;
