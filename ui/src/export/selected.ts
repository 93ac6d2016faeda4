import type { Table } from "../api/catalog";
import type { Filter } from "../explore/filters/model";
import { ID, keysOf, TRACE_ID } from "../explore/identity";
import type { Cells } from "../explore/rows";

/** What a selected row is known by. */
export interface Selected {
  id: string;
  /** Null where the id alone tells rows apart. */
  traceId: string | null;
}

export function selectedOf(table: Table, cells: Cells): Selected {
  return { id: String(cells[ID]), traceId: keysOf(table).includes(TRACE_ID) ? String(cells[TRACE_ID]) : null };
}

/** The filter that selected rows pass, and no other: each trace with the ids that were selected in it. */
export function onlySelected(rows: readonly Selected[]): Filter {
  const traces = new Map<string | null, string[]>();
  for (const { id, traceId } of rows) traces.set(traceId, [...(traces.get(traceId) ?? []), id]);
  const parts = [...traces].map(([traceId, value]): Filter => {
    const ids: Filter = { type: "stringOptions", column: ID, operator: "any of", value };
    return traceId === null ? ids : { type: "and", filters: [{ type: "string", column: TRACE_ID, operator: "=", value: traceId }, ids] };
  });
  return parts.length === 1 ? parts[0]! : { type: "or", filters: parts };
}
