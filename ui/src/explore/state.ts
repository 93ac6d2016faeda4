import type { Schemas } from "../api/client";
import { isFilter, type Filter } from "./filters/model";
import type { Range } from "./ranges";

/** What a page of rows shows. All of it is in the address, so every link shows the same. */
export interface Shown {
  filter: Filter[];
  /** Filters of the address that could not be read: while there are some, nobody knows which rows are meant. */
  unread: string[];
  /** Filters as text. */
  where: string[];
  search: string;
  searchTypes: Schemas["SearchType"][];
  /** RFC 3339, a date, or a duration before now such as `-24h`; null is open. */
  since: string | null;
  until: string | null;
  /** What `since` and `until` are held against. */
  timestamp: Schemas["Cursor"];
  /** Which rows come first. */
  order: Schemas["RowsOrder"];
  /** Columns in order; null for the usual ones. */
  columns: string[] | null;
  /** Key of the row that is open. */
  row: string | null;
  /** Tab of the open row. */
  tab: string | null;
}

export const NOTHING: Shown = {
  filter: [],
  unread: [],
  where: [],
  search: "",
  searchTypes: [],
  since: null,
  until: null,
  timestamp: "start_time",
  order: "newest_first",
  columns: null,
  row: null,
  tab: null,
};

const SEARCH_TYPES: readonly string[] = ["id", "content", "input", "output"];

/** Reads the query of an address. What is not understood is left out, but filters: those are shown as they are. */
export function read(query: string): Shown {
  const words = new URLSearchParams(query);
  const list = (name: string) => words.get(name)?.split(",").filter(Boolean) ?? [];
  const columns = list("columns");
  return {
    ...readFilters(words.getAll("filter")),
    where: words.getAll("where").filter((text) => text.trim() !== ""),
    search: words.get("search") ?? "",
    searchTypes: list("in").filter((type): type is Schemas["SearchType"] => SEARCH_TYPES.includes(type)),
    since: words.get("since"),
    until: words.get("until"),
    timestamp: words.get("timestamp") === "ingested" ? "ingested" : "start_time",
    order: words.get("order") === "oldest_first" ? "oldest_first" : "newest_first",
    columns: columns.length > 0 ? columns : null,
    row: words.get("row"),
    tab: words.get("tab"),
  };
}

/** Writes the query of an address; what is usual is left out. */
export function write(shown: Shown): string {
  const words = new URLSearchParams();
  if (shown.since) words.set("since", shown.since);
  if (shown.until) words.set("until", shown.until);
  if (shown.timestamp !== "start_time") words.set("timestamp", shown.timestamp);
  if (shown.filter.length > 0) words.set("filter", JSON.stringify(shown.filter));
  shown.unread.forEach((text) => words.append("filter", text));
  shown.where.forEach((text) => words.append("where", text));
  if (shown.search) words.set("search", shown.search);
  if (shown.searchTypes.length > 0) words.set("in", shown.searchTypes.join(","));
  if (shown.order !== "newest_first") words.set("order", shown.order);
  if (shown.columns) words.set("columns", shown.columns.join(","));
  if (shown.row) words.set("row", shown.row);
  if (shown.tab) words.set("tab", shown.tab);
  return words.toString();
}

/** Without what could not be read fewer filters would hold, and more rows be shown: it is kept as it was written. */
function readFilters(texts: string[]): Pick<Shown, "filter" | "unread"> {
  const filter: Filter[] = [];
  const unread: string[] = [];
  for (const text of texts.filter((text) => text.trim() !== "")) {
    const value = parsed(text);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (isFilter(one)) filter.push(one);
      else unread.push(one === undefined ? text : JSON.stringify(one));
    }
  }
  return { filter, unread };
}

/** The JSON value of a text; undefined where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Which rows are meant, as calls that show or count them take it. */
export function rowsOf(shown: Shown): Schemas["RowsRequest"] {
  return {
    ...(shown.filter.length > 0 && { filter: shown.filter }),
    ...(shown.where.length > 0 && { where: shown.where }),
    ...(shown.search && { search: shown.search }),
    ...(shown.search && shown.searchTypes.length > 0 && { searchTypes: shown.searchTypes }),
    ...(shown.since && { since: shown.since }),
    ...(shown.until && { until: shown.until }),
    ...(shown.timestamp !== "start_time" && { timestamp: shown.timestamp }),
  };
}

/** Where the axis of start times ends because of what is shown; open where other times are bounded. */
export function axisOf({ since, until, timestamp }: Shown): Range {
  return timestamp === "start_time" ? { since, until } : { since: null, until: null };
}

/** What a range of start times narrows to, whatever time was bounded before. */
export function zoomedTo(range: Range): Range & Pick<Shown, "timestamp"> {
  return { ...range, timestamp: "start_time" };
}

/** Whether anything narrows the rows. */
export function isNarrowed(shown: Shown): boolean {
  return shown.unread.length > 0 || Object.keys(rowsOf(shown)).length > 0;
}
