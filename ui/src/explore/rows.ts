import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import type { Table } from "../api/catalog";
import { answered, api, type Schemas } from "../api/client";
import { useProject } from "../app/project";
import { keysOf } from "./identity";
import { rowsOf, type Shown } from "./state";

export type Row = Schemas["Row"];
export type Cells = Record<string, unknown>;

/** Rows of one page: two screens. */
const PAGE_ROWS = 100;

/**
 * Pages that are asked for again, by Refresh and by coming back: the first one, whatever was read on to before. Those
 * after it follow where they are scrolled to.
 */
const AGAIN = { pages: 1 };

/** Longest text of a cell in the table, which shows one line of it. */
const CELL_CHARACTERS = 300;

/** Bars of the histogram at most. */
const BARS = 120;

/** Rows, page after page. */
export function useRows(table: Table, shown: Shown, columns: string[]) {
  const project = useProject();
  const rows = useMemo(() => rowsOf(shown), [shown]);
  const asked = useMemo(() => [...keysOf(table).filter((key) => !columns.includes(key)), ...columns], [table, columns]);
  return useInfiniteQuery({
    queryKey: ["rows", project.id, table.name, rows, shown.order, asked],
    enabled: shown.unread.length === 0,
    placeholderData: keepPreviousData,
    ...AGAIN,
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/tables/{table}/rows/search", {
          params: { path: { project: project.id, table: table.name } },
          body: {
            ...rows,
            ...(shown.order !== "newest_first" && { order: shown.order }),
            columns: asked,
            charactersMax: CELL_CHARACTERS,
            limit: PAGE_ROWS,
            ...(pageParam !== null && { cursor: pageParam }),
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next,
  });
}

/** How many rows there are, over time. */
export function useHistogram(table: Table, shown: Shown) {
  const project = useProject();
  const rows = useMemo(() => rowsOf(shown), [shown]);
  return useQuery({
    queryKey: ["histogram", project.id, table.name, rows],
    enabled: shown.unread.length === 0,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/tables/{table}/histogram", {
          params: { path: { project: project.id, table: table.name } },
          body: { rows, bars: BARS },
          signal,
        }),
      ),
  });
}

/** Values of a column with their counts; `key` for columns that have keys. */
export function useValues(asked: { table: string; column: string; key?: string | undefined; contains: string; rows?: Schemas["RowsRequest"] | undefined; enabled: boolean }) {
  const project = useProject();
  const { table, enabled, ...rest } = asked;
  return useQuery({
    queryKey: ["values", project.id, table, rest],
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    enabled,
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/tables/{table}/facets", {
          params: { path: { project: project.id, table } },
          body: {
            column: rest.column,
            limit: 50,
            ...(rest.key && { key: rest.key }),
            ...(rest.contains && { contains: rest.contains }),
            ...(rest.rows && Object.keys(rest.rows).length > 0 && { rows: rest.rows }),
          },
          signal,
        }),
      ),
  });
}

/** A whole row: every column, nothing cut. */
export function useRow(table: string, key: string | null) {
  const project = useProject();
  return useQuery({
    queryKey: ["row", project.id, table, key],
    enabled: key !== null,
    staleTime: 60_000,
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/projects/{project}/tables/{table}/rows/{key}", {
          params: { path: { project: project.id, table, key: key ?? "" } },
          signal,
        }),
      ),
  });
}
