import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

import { useText } from './context.ts';
import { IconButton } from './icon-button.tsx';

export interface SheetParts {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** It cannot be closed but by what is in it. */
  readonly firm?: boolean;
}

/** A dialog above the page: the browser keeps the focus in it, and gives it back. */
export function SheetFrame({ title, onClose, children, firm = false }: SheetParts) {
  const text = useText();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby="sheet-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!firm) onClose();
      }}
      onClick={(event) => {
        if (!firm && event.target === dialog.current) onClose();
      }}
    >
      <div class="sheet-inner">
        <header class="sheet-head">
          <h2 id="sheet-title">{title}</h2>
          {!firm && <IconButton icon="close" label={text.say('do.close')} onClick={onClose} />}
        </header>
        {children}
      </div>
    </dialog>
  );
}
