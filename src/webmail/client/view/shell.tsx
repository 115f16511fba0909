import { useApp, useText } from './context.ts';
import { ComposePane } from './compose-pane.tsx';
import { ConversationPane } from './conversation-pane.tsx';
import { FolderPane } from './folder-pane.tsx';
import { LinkBanner } from './link-banner.tsx';
import { ListPane } from './list-pane.tsx';
import { NoticeBar } from './notice-bar.tsx';
import { ExtraPage } from './pages.tsx';
import { Sheets } from './sheets.tsx';
import { TopBar } from './top-bar.tsx';

/** Three panes on a desk, two on a tablet, one on a phone: the style sheet decides. */
export function Shell() {
  const app = useApp();
  const text = useText();
  const { route } = app;
  const isOpen = route.kind !== 'page' && route.open !== undefined;
  return (
    <div class={`shell ${isOpen ? 'has-open' : ''} ${app.foldersOpen ? 'has-folders' : ''}`}>
      <a class="skip" href="#list" onClick={focusList}>
        {text.say('skip.list')}
      </a>
      <TopBar />
      <LinkBanner />
      <div class="panes">
        <FolderPane />
        {app.foldersOpen && (
          <div class="veil" onClick={() => app.toggleFolders(false)} aria-hidden="true" />
        )}
        {route.kind === 'page' ? (
          <ExtraPage route={route} />
        ) : (
          <main class="mail">
            <ListPane />
            <ConversationPane />
          </main>
        )}
      </div>
      <ComposePane />
      <NoticeBar />
      <Sheets />
    </div>
  );
}

/** The address is the app's: a skip link moves the focus and nothing else. */
function focusList(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#list [tabindex="0"], #list')?.focus();
}
