import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answered, api, type Schemas } from "../api/client";
import { useProject } from "../app/project";

export type Integration = Schemas["Integration"];
export type Kind = Schemas["IntegrationKind"];
export type WindowRun = Schemas["WindowRun"];

/** How often what runs is looked at again. */
const REFRESH = 3_000;

/** Kinds of destinations, with the schema of their options. */
export function useKinds() {
  return useQuery({
    queryKey: ["integration-kinds"],
    staleTime: Infinity,
    queryFn: () => answered(api.GET("/api/v1/integration-kinds")),
  });
}

/** Integrations of the project, newest first. */
export function useIntegrations() {
  const project = useProject();
  return useInfiniteQuery({
    queryKey: ["integrations", project.id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations", {
          params: { path: { project: project.id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some((one) => one.runsActive > 0)) ? REFRESH : 30_000,
  });
}

/** One integration. */
export function useIntegration(id: string) {
  const project = useProject();
  return useQuery({
    queryKey: ["integration", project.id, id],
    queryFn: () =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}", { params: { path: { project: project.id, integration: id } } }),
      ),
    refetchInterval: (query) => (query.state.data && query.state.data.runsActive > 0 ? REFRESH : 15_000),
  });
}

/** Runs of its windows, the latest window first. */
export function useRuns(id: string, active: boolean) {
  const project = useProject();
  return useInfiniteQuery({
    queryKey: ["integration-runs", project.id, id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/runs", {
          params: { path: { project: project.id, integration: id }, query: { limit: 100, ...(pageParam && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: active ? REFRESH : 15_000,
  });
}

/** One run, asked for where it is not among those at hand. */
export function useRun(id: string, run: string | null, atHand: WindowRun | undefined) {
  const project = useProject();
  const asked = useQuery({
    queryKey: ["integration-run", project.id, id, run],
    enabled: run !== null && atHand === undefined,
    queryFn: () =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/runs/{run}", {
          params: { path: { project: project.id, integration: id, run: run! } },
        }),
      ),
  });
  return { run: atHand ?? asked.data, error: atHand ? null : asked.error };
}

/** Where its windows stand, stretch by stretch. */
export function useCoverage(id: string, active: boolean) {
  const project = useProject();
  return useQuery({
    queryKey: ["integration-coverage", project.id, id],
    refetchInterval: active ? REFRESH : 15_000,
    queryFn: () =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/coverage", {
          params: { path: { project: project.id, integration: id } },
        }),
      ),
  });
}

/** Stretches of the past. */
export function useBackfills(id: string) {
  const project = useProject();
  return useQuery({
    queryKey: ["integration-backfills", project.id, id],
    queryFn: () =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/backfills", {
          params: { path: { project: project.id, integration: id }, query: { limit: 100 } },
        }),
      ),
    refetchInterval: (query) => (query.state.data?.items.some((one) => one.finishedAt === null) ? REFRESH : false),
  });
}

/** Rows that the receiver refused. */
export function useLetters(id: string) {
  const project = useProject();
  return useInfiniteQuery({
    queryKey: ["integration-letters", project.id, id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/dead-letters", {
          params: { path: { project: project.id, integration: id }, query: { limit: 50, ...(pageParam && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: 15_000,
  });
}

/** The next five windows of a draft. Secrets are not in the key of the cache: `revision` tells one set of them from another. */
export function usePreview(draft: Schemas["IntegrationRequest"] | null, revision: number) {
  const project = useProject();
  const { secrets: _, ...keyed } = draft ?? {};
  return useQuery({
    queryKey: ["integration-preview", project.id, keyed, revision],
    enabled: draft !== null,
    retry: false,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/integrations/preview", { params: { path: { project: project.id } }, body: draft!, signal }),
      ),
  });
}

/** The next five windows of an integration as it is stored. */
export function useWindows(id: string | null) {
  const project = useProject();
  return useQuery({
    queryKey: ["integration-windows", project.id, id],
    enabled: id !== null,
    retry: false,
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/projects/{project}/integrations/{integration}/windows", {
          params: { path: { project: project.id, integration: id! } },
          signal,
        }),
      ),
  });
}

/** What can be done with an integration. */
export function useActions(id: string) {
  const project = useProject();
  const cache = useQueryClient();
  const params = { path: { project: project.id, integration: id } };
  const refresh = () =>
    cache.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[0]).startsWith("integration") && queryKey[0] !== "integration-kinds" });
  const pause = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/integrations/{integration}/pause", { params })),
    onSuccess: refresh,
  });
  const resume = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/integrations/{integration}/resume", { params })),
    onSuccess: refresh,
  });
  const run = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/integrations/{integration}/run", { params })),
    onSuccess: refresh,
  });
  const remove = useMutation({
    mutationFn: () => answered(api.DELETE("/api/v1/projects/{project}/integrations/{integration}", { params })),
    // What is shown of it is not asked for again: it is gone.
    onSuccess: () => cache.invalidateQueries({ queryKey: ["integrations", project.id] }),
  });
  const replay = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/integrations/{integration}/dead-letters/replay", { params })),
    onSuccess: refresh,
  });
  return { pause, resume, run, remove, replay, refresh };
}
