import { compact, instant } from "../format/times";
import { words } from "../words";

/** A range of time: `[since, until)`, either side open. */
export interface Range {
  since: string | null;
  until: string | null;
}

/** The range in words. */
export function rangeTitle({ since, until }: Range, now: Date): string {
  if (!since && !until) return words.explore.range.all;
  const preset = words.explore.range.presets.find(([value]) => value === since);
  if (preset && !until) return preset[1];
  const shown = (text: string) => {
    const date = instant(text);
    return date ? compact(date, now) : text;
  };
  if (since && until) return `${shown(since)} – ${shown(until)}`;
  return since ? words.explore.range.since(shown(since)) : words.explore.range.until(shown(until!));
}

/** The zone that times are entered in: the user's, or UTC. */
export type Zone = "local" | "utc";

/** What a field for times shows for an instant, or for a date, which begins in UTC: `2026-06-30T14:03`. */
export function toLocalField(text: string | null, zone: Zone = "local"): string {
  const date = text === null ? null : instantOf(text);
  if (!date) return "";
  const offset = zone === "utc" ? 0 : date.getTimezoneOffset();
  const local = new Date(date.getTime() - offset * 60_000).toISOString();
  return local.slice(0, date.getSeconds() === 0 && date.getMilliseconds() === 0 ? 16 : 19);
}

/** The instant that was entered in a field for times; null where it is empty. */
export function fromLocalField(text: string, zone: Zone = "local"): string | null {
  if (!text) return null;
  const date = new Date(zone === "utc" ? `${text}Z` : text);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

/** The instant that a bound is; null for durations, which are held against now. */
function instantOf(text: string): Date | null {
  return instant(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00` : text);
}

/** The bound that a field stands for. While it shows what it began with that is kept: it may be more than the field can show. */
export function boundOf(field: string, began: string | null, zone: Zone): string | null {
  return field === toLocalField(began, zone) ? began : fromLocalField(field, zone);
}

/** Whether the range ends before it begins, as far as that can be told here. */
export function isTurned({ since, until }: Range): boolean {
  const [from, to] = [since, until].map((text) => (text === null ? null : instantOf(text)));
  return from != null && to != null && from >= to;
}
