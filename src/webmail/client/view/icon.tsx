/** Drawn by us: 24 by 24, strokes of 1.75 in the colour of the text. */
const PATHS = {
  inbox: [
    'M4 13l2.6-7.4A1.5 1.5 0 0 1 8 4.5h8a1.5 1.5 0 0 1 1.4 1.1L20 13v5a1.5 1.5 0 0',
    '1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18z',
    'M4 13h4.5l1.2 2.5h4.6l1.2-2.5H20',
  ],
  drafts: ['M5 19.5h14', 'M6 15.5l.7-3L15.2 4a1.4 1.4 0 0 1 2 0l.8.8a1.4 1.4 0 0 1 0 2L9.5 15z'],
  sent: ['M4.5 11.5L20 4.5l-5 15-3.5-6.5z', 'M11.5 13L20 4.5'],
  archive: [
    'M4.5 8.5h15v9.5a1.5 1.5 0 0 1-1.5 1.5H6a1.5 1.5 0 0 1-1.5-1.5z',
    'M3.5 4.5h17v4h-17z',
    'M10 12.5h4',
  ],
  junk: ['M8.5 3.5h7l5 5v7l-5 5h-7l-5-5v-7z', 'M12 8v4.5', 'M12 16v.1'],
  trash: [
    'M4.5 6.5h15',
    'M9.5 6.5v-2h5v2',
    'M6.5 6.5l.8 12a1.5 1.5 0 0 0 1.5 1.5h6.4a1.5 1.5 0 0 0 1.5-1.5l.8-12',
    'M10 10.5v5.5',
    'M14 10.5v5.5',
  ],
  folder: [
    'M3.5 6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19',
    '19H5a1.5 1.5 0 0 1-1.5-1.5z',
  ],
  star: ['M12 4l2.4 5 5.6.8-4 3.9.9 5.5L12 16.6 7.1 19.2l.9-5.5-4-3.9 5.6-.8z'],
  search: ['M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12', 'M15 15l5 5'],
  menu: ['M4 7h16', 'M4 12h16', 'M4 17h16'],
  close: ['M6 6l12 12', 'M18 6L6 18'],
  back: ['M19.5 12h-15', 'M10.5 5.5L4 12l6.5 6.5'],
  unread: [
    'M3.5 7A1.5 1.5 0 0 1 5 5.5h14A1.5 1.5 0 0 1 20.5 7v10a1.5 1.5 0 0 1-1.5',
    '1.5H5A1.5 1.5 0 0 1 3.5 17z',
    'M4 6.5l8 6.5 8-6.5',
  ],
  read: [
    'M3.5 10L12 4l8.5 6v8a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18z',
    'M4 10.5l8 5.5 8-5.5',
  ],
  move: [
    'M3.5 6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19',
    '19H5a1.5 1.5 0 0 1-1.5-1.5z',
    'M9 13.5h6',
    'M12.5 11l2.5 2.5-2.5 2.5',
  ],
  attachment: [
    'M19 11l-7.6 7.6a4.5 4.5 0 0 1-6.4-6.4L13 4.2a3 3 0 0 1 4.3 4.3L9.7 16a1.5 1.5 0',
    '0 1-2.1-2.1l7-7',
  ],
  answered: ['M9.5 6L4 11.5 9.5 17', 'M4 11.5h10a6 6 0 0 1 6 6v1'],
  reply: ['M9.5 6L4 11.5 9.5 17', 'M4 11.5h10a6 6 0 0 1 6 6v1'],
  replyAll: ['M7.5 6.5L2.5 11.5l5 5', 'M12.5 6.5l-5 5 5 5', 'M7.5 11.5H15a6 6 0 0 1 6 6v.5'],
  forward: ['M14.5 6l5.5 5.5-5.5 5.5', 'M20 11.5H10a6 6 0 0 0-6 6v1'],
  compose: ['M5 19.5h14', 'M6 15.5l.7-3L15.2 4a1.4 1.4 0 0 1 2 0l.8.8a1.4 1.4 0 0 1 0 2L9.5 15z'],
  more: ['M6 12h.01', 'M12 12h.01', 'M18 12h.01'],
  plus: ['M12 5v14', 'M5 12h14'],
  unfold: ['M9 6l6 6-6 6'],
  download: ['M12 4.5v11', 'M7 11l5 5 5-5', 'M5 19.5h14'],
  offline: [
    'M4 4l16 16',
    'M8.5 9A8 8 0 0 0 4 11.5',
    'M12 8a11 11 0 0 1 8 3.5',
    'M7.5 15a6 6 0 0 1 6-1.5',
    'M12 18.5v.01',
  ],
  check: ['M5 12.5l4.5 4.5L19 7'],
} as const satisfies Record<string, readonly string[]>;

export type IconName = keyof typeof PATHS;

/** A drawing beside words, or in a button that has a name: it says nothing itself. */
export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }) {
  return (
    <svg class={filled ? 'icon icon-filled' : 'icon'} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name].join(' ')} />
    </svg>
  );
}
