import { useInfiniteQuery } from "@tanstack/react-query";

import { answered, api, type Schemas } from "../api/client";
import { useProject } from "../app/project";
import { useNames } from "../exports/calls";
import { Button } from "../parts/button";
import { Empty, Failed, SkeletonLines } from "../parts/faces";
import { Time } from "../parts/time";
import { words } from "../words";

const text = words.settings.audit;

/** Who did what. */
export function AuditSection() {
  const project = useProject();
  const nameOf = useNames();
  const audit = useInfiniteQuery({
    queryKey: ["audit", project.id],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(
        api.GET("/api/v1/projects/{project}/audit", {
          params: { path: { project: project.id }, query: pageParam ? { cursor: pageParam } : {} },
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
  });
  if (audit.isPending) return <SkeletonLines lines={8} />;
  if (audit.isError) return <Failed error={audit.error} retry={() => void audit.refetch()} />;
  const entries = audit.data.pages.flatMap((page) => page.items);
  if (entries.length === 0) return <Empty icon="clock" title={text.empty} text={text.emptyText} />;
  return (
    <>
      <div className="settings-head">
        <h2>{text.title}</h2>
        <span className="muted">{text.text}</span>
      </div>
      <div className="list-frame" tabIndex={0} role="region" aria-label={text.title}>
        <table className="list">
          <thead>
            <tr>
              <th>{text.at}</th>
              <th>{text.who}</th>
              <th>{text.action}</th>
              <th>{text.object}</th>
              <th>{text.details}</th>
              <th>{text.client}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry) => (
              <tr key={entry.id}>
                <td className="muted" style={{ whiteSpace: "nowrap" }}>
                  <Time at={entry.at} />
                </td>
                <td>{nameOf(entry.actor)}</td>
                <td className="mono">{entry.action}</td>
                <td className="mono muted">{entry.object}</td>
                <td className="mono muted" style={{ overflowWrap: "anywhere" }}>
                  {detailsOf(entry)}
                </td>
                <td className="mono muted">{entry.client}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {audit.hasNextPage && (
        <div style={{ marginTop: 12 }}>
          <Button busy={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
            {text.more}
          </Button>
        </div>
      )}
    </>
  );
}

function detailsOf(entry: Schemas["AuditEntry"]): string {
  const details: unknown = entry.details;
  if (!details || typeof details !== "object") return "";
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
