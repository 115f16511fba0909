import { Icon, type IconName } from './icon.tsx';

export interface IconButtonParts {
  readonly icon: IconName;
  /** What it does: its name, and its tip. */
  readonly label: string;
  readonly onClick: (event: MouseEvent) => void;
  readonly class?: string;
  readonly filled?: boolean;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly expanded?: boolean;
  readonly tabIndex?: number;
}

export function IconButton(parts: IconButtonParts) {
  return (
    <button
      type="button"
      class={`icon-button ${parts.class ?? ''}`}
      title={parts.label}
      aria-label={parts.label}
      aria-pressed={parts.pressed}
      aria-expanded={parts.expanded}
      disabled={parts.disabled}
      tabIndex={parts.tabIndex}
      onClick={parts.onClick}
    >
      <Icon name={parts.icon} filled={parts.filled ?? false} />
    </button>
  );
}
