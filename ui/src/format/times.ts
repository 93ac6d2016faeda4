/** Times for people: in their zone, with UTC beside it where it matters. */

import { words } from "../words";

const text = words.times;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Reads an instant of the API or of a cell. Some tables write times without a zone; those are UTC.
 */
export function instant(written: string): Date | null {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?$/.exec(written);
  if (!match) return null;
  // Date keeps milliseconds; further digits would make some engines refuse the text.
  const time = match[2]!.replace(/(\.\d{3})\d+$/, "$1");
  const date = new Date(`${match[1]}T${time}${match[3] ?? "Z"}`);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (value: number) => String(value).padStart(2, "0");

/** `2026-06-30 14:03:22.113` in the user's zone. */
export function exact(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** `2026-06-30 12:03:22.113 UTC` */
export function utc(date: Date): string {
  return date.toISOString().replace("T", " ").replace("Z", " UTC");
}

/** Both, for hovering. */
export function exactWithUtc(date: Date): string {
  return `${exact(date)} ${zoneName()}\n${utc(date)}`;
}

/** The user's zone: `Europe/Berlin`. */
export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `30 Jun 14:03:22`, with the year where it is another one. */
export function compact(date: Date, now: Date): string {
  const year = date.getFullYear() === now.getFullYear() ? "" : ` ${date.getFullYear()}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${date.getDate()} ${text.months[date.getMonth()]}${year} ${clock}`;
}

/** What an axis says at a tick: the coarsest part of the time that is not nought there. */
export function tickText(date: Date): string {
  const [month, hour, minute, second] = [text.months[date.getMonth()]!, date.getHours(), date.getMinutes(), date.getSeconds()];
  if (date.getMilliseconds() > 0) return `.${String(date.getMilliseconds()).padStart(3, "0")}`;
  if (second > 0) return `:${two(second)}`;
  if (hour > 0 || minute > 0) return `${two(hour)}:${two(minute)}`;
  if (date.getDate() > 1) return `${date.getDate()} ${month}`;
  return date.getMonth() > 0 ? month : String(date.getFullYear());
}

/** `12 min ago`, `in 6 d`. */
export function relative(date: Date, now: Date): string {
  const distance = date.getTime() - now.getTime();
  const length = rough(Math.abs(distance));
  if (Math.abs(distance) < 5 * SECOND) return text.justNow;
  return distance < 0 ? text.ago(length) : text.ahead(length);
}

/** Relative within a day, where it says something; the compact time beyond. */
export function recent(date: Date, now: Date): string {
  return Math.abs(date.getTime() - now.getTime()) < DAY ? relative(date, now) : compact(date, now);
}

/** `3 min`, `2 h`, `6 d`: one unit. */
export function rough(millis: number): string {
  if (whole(millis, SECOND) < MINUTE) return text.seconds(Math.max(1, whole(millis, SECOND) / SECOND));
  if (whole(millis, MINUTE) < HOUR) return text.minutes(whole(millis, MINUTE) / MINUTE);
  if (whole(millis, HOUR) < 2 * DAY) return text.hours(whole(millis, HOUR) / HOUR);
  return text.days(whole(millis, DAY) / DAY);
}

/** `1.24 s`, `318 ms`, `3 min 20 s`. */
export function duration(millis: number): string {
  if (whole(millis, 1) < SECOND) return text.millis(whole(millis, 1));
  if (whole(millis, 10) < 10 * SECOND) return text.seconds((whole(millis, 10) / SECOND).toFixed(2));
  if (whole(millis, 100) < MINUTE) return text.seconds((whole(millis, 100) / SECOND).toFixed(1));
  const seconds = whole(millis, SECOND);
  if (seconds < HOUR) return `${text.minutes(Math.floor(seconds / MINUTE))} ${text.seconds((seconds % MINUTE) / SECOND)}`;
  const minutes = whole(millis, MINUTE);
  return `${text.hours(Math.floor(minutes / HOUR))} ${text.minutes((minutes % HOUR) / MINUTE)}`;
}

/** Rounded to the smallest unit that is shown. What larger ones it takes is told by that: nothing comes to 60 of one. */
function whole(millis: number, unit: number): number {
  return Math.round(millis / unit) * unit;
}
