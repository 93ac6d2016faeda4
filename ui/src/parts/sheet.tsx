import { useEffect, useRef, type ReactNode } from "react";

import { isField } from "../app/keys";
import { words } from "../words";
import { IconButton } from "./button";

interface SheetProps {
  label: string;
  title: ReactNode;
  actions?: ReactNode;
  close: () => void;
  children: ReactNode;
}

/** Detail beside the list that it belongs to; the list stays usable, Esc closes. */
export function Sheet({ label, title, actions, close, children }: SheetProps) {
  const panel = useRef<HTMLElement>(null);
  const before = useRef<Element | null>(null);
  useEffect(() => {
    before.current = document.activeElement;
    panel.current?.focus({ preventScroll: true });
    // Whoever opened it goes on where they were; who came by a link, on the page.
    return () => {
      const { current } = before;
      const isKnown = current instanceof HTMLElement && current.isConnected && current !== document.body;
      (isKnown ? current : document.getElementById("main"))?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <aside
      ref={panel}
      className="sheet"
      aria-label={label}
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) {
          event.stopPropagation();
          // Out of a field first: closing would lose what was typed.
          if (isField(event.target)) panel.current?.focus({ preventScroll: true });
          else close();
        }
      }}
    >
      <div className="sheet-head">
        <div className="sheet-title">{title}</div>
        {actions}
        <IconButton name={words.close} icon="cross" onClick={close} />
      </div>
      {children}
    </aside>
  );
}
