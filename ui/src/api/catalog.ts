import { infiniteQueryOptions, queryOptions, useInfiniteQuery, useQuery, type QueryClient } from "@tanstack/react-query";

import { answered, api, type Schemas } from "./client";
import { problemOf } from "./problem";

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

/** A project by its id: out of those at hand, asked for by itself where there are more than those. */
export function useProjectOf(id: string | null) {
  const projects = useProjects();
  const atHand = projects.data?.find((known) => known.id === id);
  const asked = useQuery({
    queryKey: ["projects", id],
    enabled: id !== null && projects.isSuccess && atHand === undefined && projects.hasNextPage,
    queryFn: () => answered(api.GET("/api/v1/projects/{project}", { params: { path: { project: id! } } })),
  });
  return {
    project: atHand ?? asked.data ?? null,
    isPending: projects.isPending || (atHand === undefined && asked.isLoading),
    // That it is not there, or not for the caller, is no failure.
    error: projects.error ?? (asked.error && problemOf(asked.error).status >= 500 ? asked.error : null),
    again: () => void (projects.isError ? projects.refetch() : asked.refetch()),
  };
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
