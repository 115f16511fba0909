import { useText } from '../view/context.ts';
import { blocksOf, piecesOf } from './plain.ts';

/** A part of a message that is plain text: links can be followed, long quotes are folded. */
export function PlainMessage({ words }: { words: string }) {
  const text = useText();
  return (
    <div class="plain-text" dir="auto">
      {blocksOf(words).map((block, at) =>
        block.kind === 'said' ? (
          <Linked key={at} words={`${block.text}\n`} />
        ) : (
          <details key={at} class="plain-quoted">
            <summary>{text.say('message.quoted')}</summary>
            <Linked words={block.text} />
          </details>
        ),
      )}
    </div>
  );
}

function Linked({ words }: { words: string }) {
  return (
    <>
      {piecesOf(words).map((piece, at) =>
        typeof piece === 'string' ? (
          piece
        ) : (
          <a
            key={at}
            href={piece.href}
            target="_blank"
            rel="noopener noreferrer"
            title={piece.href}
          >
            {piece.text}
          </a>
        ),
      )}
    </>
  );
}
