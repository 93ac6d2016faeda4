import { useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { answered, api, type Schemas } from "./client";

/** What can be exported and how; it changes with the server's version only. */
export function useCatalog() {
  return useQuery({
    queryKey: ["catalog"],
    staleTime: Infinity,
    queryFn: () => answered(api.GET("/api/v1/catalog")),
  });
}

/** The projects that the caller is a member of. */
export function useProjects() {
  return useInfiniteQuery({
    queryKey: ["projects"],
    staleTime: 60_000,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(api.GET("/api/v1/projects", { params: { query: { limit: 200, ...(pageParam && { cursor: pageParam }) } } })),
    getNextPageParam: (page) => page.next ?? undefined,
    select: (pages): Schemas["Project"][] => pages.pages.flatMap((page) => page.items),
  });
}

/** A table of the catalog. */
export type Table = Schemas["Table"];

/** The column of a table with this name. */
export function columnOf(table: Table, name: string): Schemas["Column"] | undefined {
  return table.columns.find((column) => column.name === name);
}
