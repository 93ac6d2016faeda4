import { infiniteQueryOptions, queryOptions, useInfiniteQuery, useQuery, type QueryClient } from "@tanstack/react-query";

import { answered, api, type Schemas } from "./client";

const catalogQuery = queryOptions({
  queryKey: ["catalog"],
  staleTime: Infinity,
  queryFn: () => answered(api.GET("/api/v1/catalog")),
});

const projectsQuery = infiniteQueryOptions({
  queryKey: ["projects"],
  staleTime: 60_000,
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam }) =>
    answered(api.GET("/api/v1/projects", { params: { query: { limit: 200, ...(pageParam && { cursor: pageParam }) } } })),
  getNextPageParam: (page) => page.next ?? undefined,
});

/** What can be exported and how; it changes with the server's version only. */
export function useCatalog() {
  return useQuery(catalogQuery);
}

/** The projects that the caller is a member of. */
export function useProjects() {
  return useInfiniteQuery({
    ...projectsQuery,
    select: (pages): Schemas["Project"][] => pages.pages.flatMap((page) => page.items),
  });
}

/** Asks for what every page needs while it is still being found out who is there: one wait instead of three. */
export function askAhead(cache: QueryClient): void {
  void cache.prefetchQuery(catalogQuery);
  void cache.prefetchInfiniteQuery(projectsQuery);
}

/** A table of the catalog. */
export type Table = Schemas["Table"];

/** The column of a table with this name. */
export function columnOf(table: Table, name: string): Schemas["Column"] | undefined {
  return table.columns.find((column) => column.name === name);
}
