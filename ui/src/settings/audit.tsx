import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";

import { answered, api, serverUrl, type Schemas } from "../api/client";
import { pathOf, useProject } from "../app/project";
import { Payload } from "../explore/row/payload";
import { useNames } from "../exports/calls";
import { Button } from "../parts/button";
import { Empty, Failed, SkeletonLines, Stale } from "../parts/faces";
import { Time } from "../parts/time";
import { words } from "../words";

const text = words.settings.audit;

/** Pages of what actions are about, by the first word of the action. */
const PAGES: Record<string, string> = { export: "exports", integration: "integrations" };

/** Details up to so many characters stand there whole. */
const LINE_MAX = 80;

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
  if (audit.isLoadingError) return <Failed error={audit.error} retry={() => void audit.refetch()} />;
  const entries = audit.data.pages.flatMap((page) => page.items);
  if (entries.length === 0) {
    return (
      <Empty
        icon="clock"
        title={text.empty}
        text={text.emptyText}
        command={text.emptyCommand(serverUrl, project.id)}
        action={
          <Link className="button" href={pathOf(project.id, "events")}>
            {words.exports.list.toEvents}
          </Link>
        }
      />
    );
  }
  return (
    <>
      <div className="settings-head">
        <h2>{text.title}</h2>
        <span className="muted">{text.text}</span>
      </div>
      <Stale query={audit} />
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
                <td style={{ whiteSpace: "nowrap" }}>{nameOf(entry.actor)}</td>
                <td className="mono">{entry.action}</td>
                <td className="mono muted audit-object">
                  <ObjectOf entry={entry} project={project.id} />
                </td>
                <td className="audit-details">
                  <Details entry={entry} />
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

/** Exports and integrations have pages; ids of others stand as they are. */
function ObjectOf({ entry, project }: { entry: Schemas["AuditEntry"]; project: string }) {
  const page = PAGES[entry.action.split(".")[0]!];
  if (!page || entry.action.endsWith(".delete")) return <span className="clip" title={entry.object}>{entry.object}</span>;
  return (
    <Link className="clip" title={text.open(entry.object)} href={pathOf(project, page, entry.object)}>
      {entry.object}
    </Link>
  );
}

/** One line of what was given, and all of it for who opens it. */
function Details({ entry }: { entry: Schemas["AuditEntry"] }) {
  const line = detailsOf(entry);
  if (line.length <= LINE_MAX) return <span className="mono muted">{line}</span>;
  return (
    <details>
      <summary className="mono muted clip">{line}</summary>
      <Payload value={entry.details} bare />
    </details>
  );
}

function detailsOf(entry: Schemas["AuditEntry"]): string {
  const details: unknown = entry.details;
  if (!details || typeof details !== "object") return "";
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
