import type { Schemas } from "../api/client";
import type { Export } from "./live";

/** The request as manifests keep it. */
export interface Query {
  table: string;
  columns: string[];
  scores: boolean;
  filter: Schemas["Filter"][];
  search?: { query: string; types: Schemas["SearchType"][] };
  window: { from: string | null; to: string | null };
  cursor: Schemas["Cursor"];
  limit: number | null;
  mask: string[];
  format: string;
  options: {
    compression: Schemas["Compression"];
    bom: boolean;
    csv_header_always: boolean;
    neutralise_formulas: boolean;
    parse_payloads: boolean;
    unicode: Schemas["Unicode"];
  };
}

/** The request as it was carried out; null where it is not known. */
export function queryOf(known: Export): Query | null {
  return (known.request as { query?: Query }).query ?? null;
}

/** What an export would be asked with again: the same rows, times frozen as they were; null where it is not known. */
export function requestAgain(known: Export): Schemas["ExportRequest"] | null {
  const query = queryOf(known);
  if (!query) return null;
  const { roll_bytes: rollBytes } = known.request as { roll_bytes?: number | null };
  const { options, window } = query;
  return {
    table: query.table,
    format: query.format,
    columns: [...query.columns, ...(query.scores ? ["scores"] : [])],
    ...(query.filter.length > 0 && { filter: query.filter }),
    ...(query.search && { search: query.search.query, searchTypes: query.search.types }),
    ...(window.from && { since: window.from }),
    ...(window.to && { until: window.to }),
    ...(query.cursor !== "start_time" && { cursor: query.cursor }),
    ...(query.limit !== null && { limit: query.limit }),
    ...(query.mask.length > 0 && { masks: query.mask }),
    ...(options.compression !== "none" && { compression: options.compression }),
    ...(options.bom && { bom: true }),
    ...(options.csv_header_always && { csvHeaderAlways: true }),
    ...(options.neutralise_formulas && { neutraliseFormulas: true }),
    ...(options.parse_payloads && { parsePayloads: true }),
    ...(rollBytes && { rollBytes }),
    unicode: options.unicode,
  };
}
