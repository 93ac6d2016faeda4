import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { answered, api, type Schemas } from "../api/client";
import { problemOf } from "../api/problem";
import { useSession } from "../api/session";

export type Export = Schemas["Export"];

/** Whether something may still happen to it by itself. */
export function isActive(known: Export): boolean {
  return known.state === "queued" || known.state === "running" || known.cleanup;
}

/** Wait after the stream broke off, until it is tried again. */
const AGAIN = 2_000;

/**
 * An export as it is, watched while something happens to it.
 *
 * Browsers open six connections to a server at most, and each watched export holds one: pages watch the one that is
 * looked at, and lists ask again every few seconds instead.
 */
export function useLiveExport(project: string, known: Export): { export: Export; lost: boolean } {
  const cache = useQueryClient();
  const [seen, setSeen] = useState(known);
  const [lost, setLost] = useState(false);
  // A list that was asked for meanwhile, or the answer of a retry, is newer than what was seen; but a running export
  // does not go back.
  useEffect(() => setSeen((seen) => (isAhead(seen, known) ? seen : known)), [known]);
  const current = seen.id === known.id ? seen : known;
  // Nobody is told anything without a session; with the next one it is watched again.
  const isThere = useSession().data != null;
  const watching = isActive(current) && isThere;
  useEffect(() => {
    if (!watching) return;
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stream: EventSource | undefined;
    const take = (next: Export) => {
      setSeen(next);
      setLost(false);
      cache.setQueryData(["export", project, next.id], next);
      if (!isActive(next)) {
        stream?.close();
        void cache.invalidateQueries({ queryKey: ["exports", project] });
      }
    };
    const connect = () => {
      const path = [project, "exports", known.id].map(encodeURIComponent).join("/");
      stream = new EventSource(`/api/v1/projects/${path}/events`);
      stream.addEventListener("export", (event) => take(JSON.parse(event.data) as Export));
      stream.onerror = () => {
        stream?.close();
        if (ended) return;
        setLost(true);
        timer = setTimeout(() => void again(), AGAIN);
      };
    };
    // A plain call tells why: the session may have ended, or the export be gone.
    const again = async () => {
      try {
        const next = await answered(
          api.GET("/api/v1/projects/{project}/exports/{export}", { params: { path: { project, export: known.id } } }),
        );
        if (ended) return;
        take(next);
        if (isActive(next)) connect();
      } catch (error) {
        if (ended) return;
        if (problemOf(error).mayPass) timer = setTimeout(() => void again(), AGAIN);
        else void cache.invalidateQueries({ queryKey: ["export", project, known.id] });
      }
    };
    connect();
    return () => {
      ended = true;
      clearTimeout(timer);
      stream?.close();
    };
  }, [project, known.id, watching, cache]);
  return { export: current, lost };
}

/** Whether both are the same attempt, and `seen` has come further. */
function isAhead(seen: Export, known: Export): boolean {
  const running = [seen, known].every((one) => one.id === known.id && one.state === "running");
  return running && seen.attempts === known.attempts && seen.progress.bytes > known.progress.bytes;
}
