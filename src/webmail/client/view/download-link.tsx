import type { ComponentChildren } from 'preact';

import { download } from '../model/download.ts';
import { useApp } from './context.ts';

export interface DownloadParts {
  readonly url: string;
  /** undefined: the server names it. */
  readonly name?: string;
  readonly class: string;
  readonly title?: string;
  readonly children: ComponentChildren;
}

/**
 * A link, so that the browser's own menu knows it; pressed, the page sees first that it is there.
 */
export function DownloadLink({ url, name = '', children, ...others }: DownloadParts) {
  const app = useApp();
  return (
    <a
      {...others}
      href={url}
      download={name}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        void download(app, url, name);
      }}
    >
      {children}
    </a>
  );
}
