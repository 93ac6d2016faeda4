import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEY = "outgest.theme";
const watchers = new Set<() => void>();

function current(): Theme {
  return document.documentElement.dataset["theme"] === "dark" ? "dark" : "light";
}

/** The theme that is shown; `theme.js` has set it before the first paint. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((told) => {
    watchers.add(told);
    return () => watchers.delete(told);
  }, current);
  return [theme, choose];
}

function choose(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  remember(KEY, theme);
  watchers.forEach((told) => told());
}

/** Keeps a choice in this browser, where it may. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

/** A choice that was kept. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
