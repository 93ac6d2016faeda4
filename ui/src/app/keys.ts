import { useEffect, useRef } from "react";

/** What keys do, by the key: `/`, `j`, `Enter`. */
export type Keys = Partial<Record<string, (event: KeyboardEvent) => void>>;

/** Whether it is a field that somebody types into. */
export function isField(at: EventTarget | null): boolean {
  return at instanceof Element && at.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

/** Whether the keystroke belongs to a field, a menu or a dialog. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const at = event.target;
  if (isField(at)) return true;
  return at instanceof Element && at.closest("[role=dialog], [role=alertdialog], [role=menu], [role=listbox]") !== null;
}

/** Single keys that do something on this page, unless somebody types. */
export function useKeys(keys: Keys): void {
  const held = useRef(keys);
  useEffect(() => {
    held.current = keys;
  });
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const act = held.current[event.key];
      if (!act || isTaken(event)) return;
      // Enter on a button or link presses that.
      if (event.key === "Enter" && event.target instanceof Element && event.target.closest("button, a, [role=checkbox]")) return;
      event.preventDefault();
      act(event);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}
