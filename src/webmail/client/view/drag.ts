/** What is dragged from the list: a name of our own, so that nothing else takes it for text. */
export const DRAGGED_MAIL = 'application/x-mailfarm-rows';

/** Rows that are dragged: within one page nothing has to be put into the data. */
let dragged: readonly string[] = [];

export function startDrag(event: DragEvent, rows: readonly string[], label: string): void {
  dragged = rows;
  const data = event.dataTransfer;
  if (!data) return;
  data.effectAllowed = 'move';
  data.setData(DRAGGED_MAIL, String(rows.length));
  const ghost = document.createElement('div');
  ghost.className = 'drag-ghost';
  ghost.textContent = label;
  document.body.append(ghost);
  data.setDragImage(ghost, -12, -12);
  // The browser has taken its picture by then.
  requestAnimationFrame(() => ghost.remove());
}

export const isDraggedMail = (event: DragEvent): boolean =>
  event.dataTransfer?.types.includes(DRAGGED_MAIL) ?? false;

export function takeDragged(): readonly string[] {
  const rows = dragged;
  dragged = [];
  return rows;
}
