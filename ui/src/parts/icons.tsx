import type { ReactNode } from "react";

/** Line icons, 16 px, drawn in the colour of the text around them. */
const shapes = {
  add: <path d="M8 3v10M3 8h10" />,
  arrowDown: <path d="M8 3v9.5M4 9l4 4 4-4" />,
  back: <path d="M9.5 3.5 5 8l4.5 4.5" />,
  blocks: <path d="M3 3h4.5v4.5H3zM3 8.5h4.5V13H3zM8.5 8.5H13V13H8.5z" />,
  bucket: <><path d="M3 4.5 4.2 13h7.6L13 4.5" /><ellipse cx="8" cy="4.3" rx="5" ry="1.6" /></>,
  check: <path d="m3 8.5 3.2 3.2L13 5" />,
  chevron: <path d="m4.5 6.5 3.5 3.5 3.5-3.5" />,
  clock: <><circle cx="8" cy="8" r="5.5" /><path d="M8 5v3.2l2.2 1.3" /></>,
  cloud: <path d="M4.7 12.5a2.9 2.9 0 0 1-.3-5.8 3.8 3.8 0 0 1 7.3.8 2.5 2.5 0 0 1-.3 5z" />,
  columns: <path d="M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10" />,
  comment: <path d="M2.5 3.5h11v7.5H8l-3 2.5V11H2.5z" />,
  copy: <path d="M5.5 5.5h7v8h-7zM3.5 10.5v-8h7" />,
  cross: <path d="m4 4 8 8M12 4l-8 8" />,
  dash: <path d="M4 8h8" />,
  download: <path d="M8 2.5V10M5 7.2 8 10.2l3-3M3 13h10" />,
  drag: <path d="M6 4v.01M10 4v.01M6 8v.01M10 8v.01M6 12v.01M10 12v.01" />,
  events: <path d="M3 4h10M3 8h7M3 12h9" />,
  exit: <path d="M6 3H3v10h3M7 8h6.5M11 5.5 13.5 8 11 10.5" />,
  exports: <path d="M8 10V2.5M5 5.2 8 2.2l3 3M3 9v4h10V9" />,
  failed: <><circle cx="8" cy="8" r="5.5" /><path d="M8 5v3.5M8 11v.01" /></>,
  filter: <path d="M2.5 3.5h11L9.5 8.4v4.1l-3-1.5V8.4z" />,
  idle: <circle cx="8" cy="8" r="5.5" />,
  info: <><circle cx="8" cy="8" r="5.5" /><path d="M8 7.5V11M8 5v.01" /></>,
  integrations: <path d="M5.5 2v3M10.5 2v3M4 5h8v3a4 4 0 0 1-8 0zM8 12v2" />,
  key: <><circle cx="5.2" cy="10.8" r="2.7" /><path d="m7.2 8.8 6-6M11 5l2 2" /></>,
  lock: <path d="M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5" />,
  menu: <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />,
  moon: <path d="M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z" />,
  more: <path d="M3.5 8v.01M8 8v.01M12.5 8v.01" />,
  observations: <path d="M2.5 3.5h8M5 8h8.5M5 12.5h5M2.5 3.5v9H5M2.5 8H5" />,
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" />,
  pie: <><circle cx="8" cy="8" r="5.5" /><path d="M8 2.5V8l4.4 3.3" /></>,
  play: <path d="M5 3.5v9L12.5 8z" />,
  rail: <path d="M2.5 3h11v10h-11zM6.2 3v10" />,
  refresh: <path d="M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5" />,
  running: <path d="M8 2.5A5.5 5.5 0 1 1 2.5 8" />,
  scores: <path d="M3 13V8M8 13V3M13 13V6" />,
  search: <><circle cx="7" cy="7" r="4.2" /><path d="m10.2 10.2 3.3 3.3" /></>,
  sessions: <path d="M2.5 4h11v6.5h-5L6 13v-2.5H2.5zM5 7h6" />,
  settings: <path d="M2.5 5h6M12 5h1.5M2.5 11H4M7.5 11h6M10.2 3.3v3.4M5.8 9.3v3.4" />,
  sun: <><circle cx="8" cy="8" r="2.7" /><path d="M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1" /></>,
  table: <path d="M2.5 3h11v10h-11zM2.5 6.5h11M6.5 6.5V13" />,
  traces: <path d="M2.5 4h6M5 8h8.5M7.5 12h4" />,
  trash: <path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9" />,
  trend: <path d="M2.5 12 6 8l2.7 2.3 4.8-6M10 4.3h3.5v3.5" />,
  undo: <path d="M3 6.5h7a3 3 0 0 1 0 6H7M5.5 4 3 6.5 5.5 9" />,
  user: <><circle cx="8" cy="5.5" r="2.7" /><path d="M2.8 13.5a5.3 5.3 0 0 1 10.4 0" /></>,
  warning: <path d="M8 2.5 14 13H2zM8 6.5v3M8 11.3v.01" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof shapes;

/** An icon beside words that say the same: it is hidden from readers. */
export function Icon({ name, size = 16, className }: { name: IconName; size?: number; className?: string }) {
  return (
    <svg
      aria-hidden="true"
      className={className}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {shapes[name]}
    </svg>
  );
}
