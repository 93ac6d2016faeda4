import type { Table } from "../api/catalog";
import type { Schemas } from "../api/client";
import { needsComments } from "../explore/filters/model";
import { rowsOf, type Shown } from "../explore/state";
import { onlySelected, type Selected } from "./selected";

/** How rows are written: what the popover asks besides which rows. */
export interface Options {
  format: string;
  compression: Schemas["Compression"];
  columns: "usual" | "visible" | "all" | "groups";
  groups: string[];
  selectedOnly: boolean;
  name: string;
  /** Mask rules, one per line. */
  masks: string;
  neutraliseFormulas: boolean;
  parsePayloads: boolean;
  bom: boolean;
  limit: string;
  rollMegabytes: string;
  unicode: "" | Schemas["Unicode"];
}

export const USUAL_OPTIONS: Omit<Options, "format"> = {
  compression: "none",
  columns: "usual",
  groups: [],
  selectedOnly: true,
  name: "",
  masks: "",
  neutraliseFormulas: false,
  parsePayloads: false,
  bom: false,
  limit: "",
  rollMegabytes: "",
  unicode: "",
};

interface Asked {
  table: Table;
  shown: Shown;
  /** Columns of the table as it is shown. */
  visible: string[];
  selected: Selected[];
  options: Options;
  catalog: Schemas["Catalog"];
}

/** Whether the filters need comments that the source does not have: then they are left out, and a note says so. */
export function leavesOutComments({ table, shown, catalog }: Pick<Asked, "table" | "shown" | "catalog">): boolean {
  return !catalog.comments && needsComments(shown.filter, table);
}

/** The same of filters as text, as far as can be told without reading them: what is left out the server says. */
function mayLeaveOutComments({ table, shown, catalog }: Asked): boolean {
  const names = table.filters.filter((column) => column.comments).flatMap(({ id, title }) => [id, title]);
  return !catalog.comments && shown.where.some((text) => names.some((name) => text.toLowerCase().includes(name.toLowerCase())));
}

/** The request for what is shown. Only what differs from the usual is in it, so that commands stay short. */
export function requestOf(asked: Asked): Schemas["ExportRequest"] {
  const { table, shown, visible, selected, options, catalog } = asked;
  const { timestamp, cursor: _, ...rows } = rowsOf(shown);
  const format = catalog.formats.find((known) => known.name === options.format);
  const masks = options.masks.split("\n").map((rule) => rule.trim()).filter(Boolean);
  const text = options.format !== "parquet";
  return {
    table: table.name,
    format: options.format,
    ...rows,
    ...(options.selectedOnly && selected.length > 0 && { filter: [...(rows.filter ?? []), onlySelected(selected)] }),
    ...(timestamp && { cursor: timestamp }),
    ...(format?.compressible && options.compression !== "none" && { compression: options.compression }),
    ...(options.columns === "visible" && { columns: visible }),
    ...(options.columns === "all" && { columns: ["all"] }),
    ...(options.columns === "groups" && { groups: options.groups }),
    ...(options.name.trim() && { name: options.name.trim() }),
    ...(masks.length > 0 && { masks }),
    ...(options.format === "csv" && options.neutraliseFormulas && { neutraliseFormulas: true }),
    ...(["json", "jsonl"].includes(options.format) && options.parsePayloads && { parsePayloads: true }),
    ...(text && options.bom && { bom: true }),
    // What makes no sense is sent as well: without it every row would be exported.
    ...(options.limit !== "" && { limit: Number(options.limit) }),
    ...(options.rollMegabytes !== "" && { rollBytes: Math.round(Number(options.rollMegabytes) * 1_000_000) }),
    ...(options.unicode && { unicode: options.unicode }),
    ...((leavesOutComments(asked) || mayLeaveOutComments(asked)) && { allowUnsupportedFilters: ["comments" as const] }),
  };
}
