import { useEffect, useRef, useSyncExternalStore, type RefObject } from "react";

import { remember, remembered } from "./theme";

/** What keys do, by the key: `/`, `j`, `Enter`. */
export type Keys = Partial<Record<string, (event: KeyboardEvent) => void>>;

/** Whether it is a field that somebody types into. */
export function isField(at: EventTarget | null): boolean {
  return at instanceof Element && at.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

/** Whether the keystroke belongs to a field, a menu or a dialog. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  // The page is out of reach.
  if (document.querySelector("dialog:modal")) return true;
  const at = event.target;
  if (isField(at)) return true;
  return at instanceof Element && at.closest("[role=dialog], [role=alertdialog], [role=menu], [role=listbox]") !== null;
}

/** Where it is kept that single keys are switched off. */
const KEPT = "outgest.keys";
const OFF = "off";

let isOn = remembered(KEPT) !== OFF;
const watchers = new Set<() => void>();

/**
 * Whether letters and signs do something by themselves. Who dictates, or presses keys by accident, can switch that off;
 * Enter and Esc stay.
 */
export function useSingleKeys(): [boolean, (on: boolean) => void] {
  const on = useSyncExternalStore((told) => {
    watchers.add(told);
    return () => watchers.delete(told);
  }, () => isOn);
  return [on, switchSingleKeys];
}

function switchSingleKeys(on: boolean): void {
  isOn = on;
  remember(KEPT, on ? "on" : OFF);
  watchers.forEach((told) => told());
}

/** What keys do on the page as it is. */
const here = new Set<RefObject<Keys>>();

/** Whether a key does something on the page. */
export function doesSomething(key: string): boolean {
  return [...here].some(({ current }) => current[key] !== undefined);
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
      if (!act || isTaken(event) || (!isOn && event.key.length === 1)) return;
      // Enter on a button or link presses that, and on a summary opens what it is of.
      if (event.key === "Enter" && event.target instanceof Element && event.target.closest("button, a, summary, [role=checkbox]")) return;
      event.preventDefault();
      act(event);
    };
    document.addEventListener("keydown", pressed);
    here.add(held);
    return () => {
      document.removeEventListener("keydown", pressed);
      here.delete(held);
    };
  }, []);
}
