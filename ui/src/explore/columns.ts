import { columnOf, type Table } from "../api/catalog";
import type { Schemas } from "../api/client";

/** Which columns a table shows until somebody chooses others; those that a server does not have are left out. */
const USUAL: Record<string, string[]> = {
  events: ["startTime", "type", "name", "level", "latencyMs", "totalCost", "providedModelName", "input", "output", "traceName", "userId"],
  observations: ["startTime", "type", "name", "level", "latency", "totalCost", "model", "input", "output", "traceName"],
  traces: ["timestamp", "name", "userId", "sessionId", "latencyMs", "totalCost", "observationCount", "input", "output", "tags"],
  scores: ["timestamp", "name", "dataType", "value", "stringValue", "source", "comment", "traceName", "traceId", "observationId"],
  sessions: ["createdAt", "id", "countTraces", "sessionDuration", "totalCost", "totalTokens", "userIds", "traceTags"],
};

/** Columns that an unknown table shows. */
const FIRST = 10;

/** Stands for the score columns. */
export const SCORES = "scores";

export function usualColumns(table: Table): string[] {
  const known = (USUAL[table.name] ?? []).filter((name) => columnOf(table, name));
  return known.length > 0 ? known : table.columns.filter((column) => column.default).slice(0, FIRST).map((column) => column.name);
}

/** Columns that are shown with score columns among them, as they are asked for: those go by one name, and come last. */
export function withScoresLast(table: Table, columns: string[]): string[] {
  return [...columns.filter((name) => columnOf(table, name)), SCORES];
}

/** Columns by group, in the order of the catalog. */
export function groupsOf(table: Table): [string, Schemas["Column"][]][] {
  const groups = new Map<string, Schemas["Column"][]>();
  for (const column of table.columns) {
    const group = groups.get(column.group) ?? [];
    group.push(column);
    groups.set(column.group, group);
  }
  return [...groups];
}

const WIDTHS: Record<string, number> = {
  startTime: 132,
  timestamp: 132,
  createdAt: 132,
  type: 108,
  name: 190,
  level: 84,
  latencyMs: 88,
  latency: 88,
  totalCost: 100,
  value: 80,
  dataType: 118,
  source: 108,
  input: 320,
  output: 320,
  providedModelName: 150,
  model: 150,
  observationCount: 128,
  countTraces: 112,
  sessionDuration: 134,
};

/** Between these a column is made wider and narrower. */
export const WIDTH_MIN = 48;
export const WIDTH_MAX = 1_200;

/** Width that a column begins with, in pixels. */
export function widthOf(table: Table, name: string): number {
  const known = WIDTHS[name];
  if (known) return known;
  switch (columnOf(table, name)?.type) {
    case "timestamp":
      return 138;
    case "integer":
    case "number":
      return 104;
    case "boolean":
      return 84;
    case "list":
    case "map":
    case "comments":
      return 200;
    default:
      return 160;
  }
}

/** `timeToFirstTokenMs` as people say it: `Time to first token`. The unit is on the value. */
export function titleOf(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/ Ms$/, "");
  const lower = words.split(" ").map((word) => (/^[A-Z]{2,}$/.test(word) ? word : word.toLowerCase()));
  const title = lower.join(" ").replace(/\bid\b/, "ID").replace(/\bsdk\b/, "SDK").replace(/\bapi\b/, "API");
  return title.charAt(0).toUpperCase() + title.slice(1);
}

/** Whether numbers stand in it, which align at their right. */
export function isNumeric(table: Table, name: string): boolean {
  const type = columnOf(table, name)?.type;
  return type === "integer" || type === "number";
}
