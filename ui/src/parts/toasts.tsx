import { createContext, useCallback, useContext, useMemo, useState, type ReactNode } from "react";

import { words } from "../words";
import { IconButton } from "./button";

interface Toast {
  id: number;
  content: ReactNode;
}

const Raise = createContext<(content: ReactNode) => void>(() => undefined);

/** Shows what has just been done, out of the way of what is being done. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((now) => now.filter((toast) => toast.id !== id)), []);
  const raise = useMemo(() => {
    let next = 0;
    return (content: ReactNode) => {
      const id = next++;
      // The newest three: more would cover the page.
      setToasts((now) => [...now.slice(-2), { id, content }]);
      setTimeout(() => drop(id), 12_000);
    };
  }, [drop]);
  return (
    <Raise value={raise}>
      {children}
      <div className="toasts" role="region" aria-label={words.toasts}>
        {toasts.map((toast) => (
          <div key={toast.id} className="toast" role="status">
            <div className="toast-line">
              <div style={{ flex: 1, minWidth: 0 }}>{toast.content}</div>
              <IconButton name={words.close} icon="cross" size="small" onClick={() => drop(toast.id)} />
            </div>
          </div>
        ))}
      </div>
    </Raise>
  );
}

/** Raises a toast. */
export function useToast(): (content: ReactNode) => void {
  return useContext(Raise);
}
