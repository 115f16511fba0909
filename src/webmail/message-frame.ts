/**
 * The empty page that a message's HTML is put into. Its policy comes with it as a header, where no
 * message can touch it; a frame of `srcdoc` would have the policy of the webmail's own page, which
 * allows no style in a message at all.
 *
 * It may show styles and pictures that the webmail gives it as `blob:`, and fetch nothing, from
 * nowhere, this host included. `sandbox` holds also where somebody opens this address by itself.
 */
import type { FastifyInstance } from 'fastify';

export const FRAME_POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  'img-src data: blob:',
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox',
].join('; ');

/** Colours are those of paper, unless a message says that it knows dark screens. */
const STYLE = `
  :root { color-scheme: light; }
  :root[data-adapts] { color-scheme: light dark; }
  html { overflow: auto hidden; }
  body { margin: 0; padding: 12px 16px; font: 15px/1.5 system-ui, sans-serif;
    overflow-wrap: break-word; }
  img { max-width: 100%; }
  img:not([src]) { min-width: 8px; min-height: 8px; outline: 1px dashed #8886; }
  pre { white-space: pre-wrap; }
  blockquote[type='cite'] { margin-inline: 0; padding-inline-start: 12px;
    border-inline-start: 2px solid #8888; }
  summary.mailfarm-quoted { width: fit-content; min-width: 24px; min-height: 24px; cursor: pointer;
    color: GrayText; }
  .mailfarm-goes-to { padding: 0 4px; border-radius: 4px; background: #fff3d6; color: #5a4300;
    font: 13px system-ui, sans-serif; }
`;

const FRAME = `<!doctype html>
<html><head><meta charset="utf-8"><title></title><base target="_blank"><style>${STYLE}</style></head>
<body></body></html>
`;

export function messageFrameRoute(app: FastifyInstance): void {
  app.get('/message-frame', (_, reply) =>
    reply
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': FRAME_POLICY,
        // Names in links are asked for when somebody follows them.
        'x-dns-prefetch-control': 'off',
        'cache-control': 'private, max-age=3600',
      })
      .send(FRAME),
  );
}
