import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import { words } from "../words";
import { IconButton } from "./button";

interface Toast {
  id: number;
  content: ReactNode;
}

/** How long one stays that nobody looks at. */
const STAYS = 12_000;

const Raise = createContext<(content: ReactNode) => void>(() => undefined);

/**
 * Shows what has just been done, out of the way of what is being done. The place of it is always there: what appears
 * in it is read to those who do not see it.
 */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const raise = useMemo(() => {
    let next = 0;
    return (content: ReactNode) => {
      const id = next++;
      // The newest three: more would cover the page.
      setToasts((now) => [...now.slice(-2), { id, content }]);
    };
  }, []);
  return (
    <Raise value={raise}>
      {children}
      <div className="toasts" role="region" aria-label={words.toasts} aria-live="polite">
        {toasts.map(({ id, content }) => (
          <Line key={id} drop={() => setToasts((now) => now.filter((toast) => toast.id !== id))}>
            {content}
          </Line>
        ))}
      </div>
    </Raise>
  );
}

function Line({ drop, children }: { drop: () => void; children: ReactNode }) {
  const [isHovered, setHovered] = useState(false);
  const [isFocused, setFocused] = useState(false);
  const isHeld = isHovered || isFocused;
  useEffect(() => {
    // Nothing goes from under a pointer, or with the focus.
    if (isHeld) return;
    const timer = setTimeout(drop, STAYS);
    return () => clearTimeout(timer);
    // `drop` does the same whenever it is drawn.
  }, [isHeld]);
  return (
    <div
      className="toast"
      onPointerEnter={() => setHovered(true)}
      onPointerLeave={() => setHovered(false)}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
    >
      <div className="toast-line">
        <div style={{ flex: 1, minWidth: 0 }}>{children}</div>
        <IconButton name={words.close} icon="cross" size="small" onClick={drop} />
      </div>
    </div>
  );
}

/** Raises a toast. */
export function useToast(): (content: ReactNode) => void {
  return useContext(Raise);
}
