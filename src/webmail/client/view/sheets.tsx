import { useApp } from './context.ts';
import { FolderSheet, RemoveFolderSheet } from './folder-sheets.tsx';
import { HelpSheet } from './help-sheet.tsx';
import { MoveSheet } from './move-sheet.tsx';

/** What stands above the page. */
export function Sheets() {
  const { sheet } = useApp();
  switch (sheet?.kind) {
    case 'help':
      return <HelpSheet />;
    case 'move':
      return <MoveSheet scope={sheet.scope} />;
    case 'new-folder':
      return <FolderSheet parent={sheet.parent} />;
    case 'rename-folder':
      return <FolderSheet folder={sheet.folder} />;
    case 'remove-folder':
      return <RemoveFolderSheet folder={sheet.folder} />;
    default:
      return null;
  }
}
