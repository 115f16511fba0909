import type { Letter, LetterFile } from '../compose/letter.ts';
import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';

/** What goes along, and how far it is. */
export function ComposeFiles({ letter }: { letter: Letter }) {
  const text = useText();
  const shown = letter.files.filter((one) => one.cid === undefined || one.blobId === undefined);
  if (shown.length === 0) return null;
  return (
    <ul class="compose-files" aria-label={text.say('message.attachments', { count: shown.length })}>
      {shown.map((file) => (
        <FileItem key={file.id} file={file} />
      ))}
    </ul>
  );
}

function FileItem({ file }: { file: LetterFile }) {
  const app = useApp();
  const text = useText();
  const progress = app.letters.progress.get(file.id);
  const name = file.name || text.say('message.unnamed');
  const all = app.formats.size(file.size);
  return (
    <li class="compose-file">
      <Icon name="attachment" />
      <span class="attachment-name" dir="auto">
        {name}
      </span>
      {progress && progress.error === undefined && (
        <>
          <progress max={Math.max(1, file.size)} value={progress.sent} aria-label={name} />
          <span class="attachment-size">
            {text.say('compose.uploading', { done: app.formats.size(progress.sent), all })}
          </span>
        </>
      )}
      {!progress && <span class="attachment-size">{all}</span>}
      {progress?.error !== undefined && (
        <>
          <span class="file-trouble" role="alert">
            {text.say('compose.fileFailed', { why: progress.error })}
          </span>
          <button
            type="button"
            class="text-button"
            onClick={() => void app.letters.upload(file.id)}
          >
            {text.say('do.retry')}
          </button>
        </>
      )}
      <IconButton
        icon="close"
        label={text.say('compose.remove', { name })}
        onClick={() => app.letters.removeFile(file.id)}
      />
    </li>
  );
}
