import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { answered, api, type Schemas } from "../api/client";
import { useSession } from "../api/session";
import { useProject } from "../app/project";
import { words } from "../words";
import { isActive, type Export } from "./live";

/** How often a list with something running asks again. */
const REFRESH = 2_500;

/** How often another list does: exports are asked for from elsewhere too. */
const REFRESH_IDLE = 15_000;

/** Exports of the project, newest first. */
export function useExports(state: string | null) {
  const project = useProject();
  return useInfiniteQuery({
    queryKey: ["exports", project.id, state],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      answered(
        api.GET("/api/v1/projects/{project}/exports", {
          params: { path: { project: project.id }, query: { limit: 50, ...(state && { state }), ...(pageParam && { cursor: pageParam }) } },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.items.some(isActive)) ? REFRESH : REFRESH_IDLE,
    refetchOnWindowFocus: true,
  });
}

/** One export. */
export function useExport(id: string) {
  const project = useProject();
  return useQuery({
    queryKey: ["export", project.id, id],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/projects/{project}/exports/{export}", { params: { path: { project: project.id, export: id } }, signal }),
      ),
  });
}

/** What can be done with an export. */
export function useExportActions(known: Export) {
  const project = useProject();
  const cache = useQueryClient();
  const params = { path: { project: project.id, export: known.id } };
  const changed = (next: Export) => {
    cache.setQueryData(["export", project.id, next.id], next);
    return cache.invalidateQueries({ queryKey: ["exports", project.id] });
  };
  const cancel = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/exports/{export}/cancel", { params })),
    onSuccess: changed,
  });
  const retry = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects/{project}/exports/{export}/retry", { params })),
    onSuccess: changed,
  });
  const remove = useMutation({
    mutationFn: () => answered(api.DELETE("/api/v1/projects/{project}/exports/{export}", { params })),
    onSuccess: () => cache.invalidateQueries({ queryKey: ["exports", project.id] }),
  });
  const again = useMutation({
    mutationFn: (request: Schemas["ExportRequest"]) =>
      answered(api.POST("/api/v1/projects/{project}/exports", { params: { path: { project: project.id } }, body: request })),
    onSuccess: changed,
  });
  const download = useMutation({
    // The link is made for this one click, and is given to nobody else.
    mutationFn: (file: number) =>
      answered(api.POST("/api/v1/projects/{project}/exports/{export}/download", { params, body: { file } })),
    onSuccess: (link) => {
      const anchor = document.createElement("a");
      anchor.href = link.url;
      anchor.download = link.fileName;
      anchor.click();
      // It counts how often it was downloaded.
      void cache.invalidateQueries({ queryKey: ["export", project.id, known.id] });
    },
  });
  return { cancel, retry, remove, again, download };
}

/** How people and keys are called, also those that are not known any more. */
export function useNames(): (actor: Schemas["ActorBody"]) => string {
  const project = useProject();
  const me = useSession().data?.user;
  const members = useQuery({
    queryKey: ["members", project.id],
    staleTime: 60_000,
    queryFn: () => answered(api.GET("/api/v1/projects/{project}/members", { params: { path: { project: project.id } } })),
  });
  const keys = useQuery({
    queryKey: ["keys", project.id],
    staleTime: 60_000,
    // Only owners may list keys.
    enabled: project.role === "owner",
    queryFn: () => answered(api.GET("/api/v1/projects/{project}/keys", { params: { path: { project: project.id } } })),
  });
  return (actor) => {
    if (actor.kind === "system" || actor.id === null) return words.exports.list.server;
    if (actor.kind === "user") {
      // Administrators need not be members.
      const known = [...(members.data ?? []).map((member) => member.user), ...(me ? [me] : [])];
      const user = known.find((one) => one.id === actor.id);
      return user ? user.name || user.email : words.exports.list.stranger(actor.id);
    }
    const key = keys.data?.find((known) => known.id === actor.id);
    return words.exports.list.key(key ? key.note || key.publicKey : actor.id.slice(0, 8));
  };
}
