import type { Table } from "../api/catalog";

export const ID = "id";
export const TRACE_ID = "traceId";

/** Tables whose rows are spans: their ids are unique within their trace only. */
const OF_SPANS = ["events", "observations"];

/** Columns that tell the rows of a table apart; they are read whether they are shown or not. */
export function keysOf(table: Table): string[] {
  return OF_SPANS.includes(table.name) ? [ID, TRACE_ID] : [ID];
}
