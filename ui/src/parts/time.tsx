import { useSyncExternalStore } from "react";

import { exactWithUtc, instant, recent, relative } from "../format/times";
import { Hint } from "./button";

const TICK = 15_000;
let now = new Date();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function tick(): void {
  now = new Date();
  watchers.forEach((watcher) => watcher());
}

function watch(told: () => void): () => void {
  watchers.add(told);
  if (timer === undefined) {
    // It has stood still while nobody looked at it.
    tick();
    timer = setInterval(tick, TICK);
  }
  return () => {
    watchers.delete(told);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The current time, to a quarter of a minute: one clock for everything that shows it. */
export function useNow(): Date {
  return useSyncExternalStore(watch, () => now);
}

/** A time: `12 min ago`, with the exact one and UTC on hover. */
export function Time({ at, always }: { at: string | null; always?: "relative" }) {
  const current = useNow();
  const date = at === null ? null : instant(at);
  if (!date) return <span className="faint">–</span>;
  const newest = date > current ? new Date() : current;
  return (
    <Hint text={exactWithUtc(date)}>
      <time dateTime={date.toISOString()}>{always ? relative(date, newest) : recent(date, newest)}</time>
    </Hint>
  );
}
