import type { Schemas } from "../api/client";
import { summary } from "../explore/filters/model";
import { compact, instant } from "../format/times";
import { words } from "../words";

/** What an export is of, as one line: `events · level any of ERROR · since 30 Jun`. */
export function whatOf(table: string, request: Schemas["ExportRequest"] | null): string {
  if (!request) return table;
  const now = new Date();
  const shown = (text: string) => {
    const date = instant(text);
    return date ? compact(date, now) : text;
  };
  const parts = [
    summary(request.filter ?? []),
    request.search ? `“${request.search}”` : "",
    request.since ? words.explore.range.since(shown(request.since)) : "",
    request.until ? words.explore.range.until(shown(request.until)) : "",
  ].filter(Boolean);
  return [table, ...(parts.length > 0 ? parts : [words.exports.list.everyRow])].join(" · ");
}
