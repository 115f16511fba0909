/** Where we leave the RFC on purpose, and for whom. Each has a switch, a counter and a test. */
export const WORKAROUNDS = {
  'address-space':
    'Accept "MAIL FROM: <a@b>" (RFC 5321 §3.3 forbids the space). For Outlook 365 and many scripts.',
} as const;
export type Workaround = keyof typeof WORKAROUNDS;

export const WORKAROUND_NAMES = Object.keys(WORKAROUNDS) as Workaround[];
