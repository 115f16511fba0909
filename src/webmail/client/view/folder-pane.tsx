import { useEffect, useRef, useState } from 'preact/hooks';

import type { FolderNode } from '../model/folders.ts';
import { formatRoute } from '../routes.ts';
import { useApp, useText } from './context.ts';
import { isDraggedMail, takeDragged } from './drag.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';
import { folderIcon, folderName } from './names.ts';

export function FolderPane() {
  const app = useApp();
  const text = useText();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const toggle = (id: string): void => {
    const next = new Set(closed);
    if (!next.delete(id)) next.add(id);
    setClosed(next);
  };
  const pane = useRef<HTMLElement>(null);
  useEffect(() => {
    if (app.foldersOpen) pane.current?.querySelector<HTMLElement>('[aria-current], a')?.focus();
  }, [app.foldersOpen]);
  return (
    <nav
      class="folder-pane"
      ref={pane}
      aria-label={text.say('pane.folders')}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !app.foldersOpen) return;
        app.toggleFolders(false);
        document.querySelector<HTMLElement>('.folders-button')?.focus();
      }}
    >
      <button
        type="button"
        class="button button-main compose-button"
        onClick={() => {
          app.toggleFolders(false);
          app.composer('new');
        }}
      >
        <Icon name="compose" />
        {text.say('do.compose')}
      </button>
      <ul class="folders">
        {app.folders.tree(closed, text.language).map((node) => (
          <FolderItem
            key={node.mailbox.id}
            node={node}
            isClosed={closed.has(node.mailbox.id)}
            onToggle={() => toggle(node.mailbox.id)}
          />
        ))}
      </ul>
      <button
        type="button"
        class="new-folder"
        onClick={() => app.show({ kind: 'new-folder', parent: undefined })}
      >
        <Icon name="plus" />
        {text.say('folder.new')}
      </button>
    </nav>
  );
}

interface ItemParts {
  readonly node: FolderNode;
  readonly isClosed: boolean;
  readonly onToggle: () => void;
}

function FolderItem({ node, isClosed, onToggle }: ItemParts) {
  const app = useApp();
  const text = useText();
  const [isOver, setOver] = useState(false);
  const { mailbox, depth, hasChildren } = node;
  const name = folderName(mailbox, text);
  const isCurrent = app.folder === mailbox.id;
  const unread = app.unread(mailbox.id);
  const drop = (event: DragEvent): void => {
    if (!isDraggedMail(event)) return;
    event.preventDefault();
    setOver(false);
    const rows = takeDragged();
    if (rows.length > 0 && !isCurrent) app.deeds.drop(mailbox.id, rows);
  };
  return (
    <li
      class={`folder ${isCurrent ? 'is-current' : ''} ${isOver ? 'is-over' : ''}`}
      style={{ '--depth': String(depth) }}
      onDragOver={(event) => {
        if (!isDraggedMail(event) || isCurrent) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {hasChildren && (
        <IconButton
          class={isClosed ? 'fold is-closed' : 'fold'}
          icon="unfold"
          expanded={!isClosed}
          label={text.say(isClosed ? 'folder.unfold' : 'folder.fold', { folder: name })}
          onClick={onToggle}
        />
      )}
      <a
        class="folder-link"
        href={formatRoute({ kind: 'folder', folder: mailbox.id, open: undefined })}
        aria-current={isCurrent ? 'page' : undefined}
        onClick={() => app.toggleFolders(false)}
      >
        <Icon name={folderIcon(mailbox)} />
        <span class="folder-name" dir="auto">
          {name}
        </span>
        {unread > 0 && (
          <span class="count">
            <span aria-hidden="true">{text.number(unread)}</span>
            <span class="for-ears">{text.say('folder.unread', { count: unread })}</span>
          </span>
        )}
      </a>
      {mailbox.role === null && isCurrent && (
        <IconButton
          class="folder-more"
          icon="more"
          label={text.say('folder.more', { folder: name })}
          onClick={() => app.show({ kind: 'rename-folder', folder: mailbox.id })}
        />
      )}
    </li>
  );
}
