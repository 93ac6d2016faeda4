import "../styles/explore.css";
import "../styles/exports.css";

import { Link, useLocation } from "wouter";

import { serverUrl } from "../api/client";
import { useAddressQuery } from "../app/address";
import { pathOf, useMay, useProject } from "../app/project";
import { useKeys } from "../app/keys";
import { bytes, count } from "../format/numbers";
import { Button, IconButton } from "../parts/button";
import { Empty, Face, Failed, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { Segments } from "../parts/fields";
import { Progress } from "../parts/state";
import { Time } from "../parts/time";
import { useToast } from "../parts/toasts";
import { words } from "../words";
import { requestAgain } from "./again";
import { useExportActions, useExports, useNames } from "./calls";
import { type Export } from "./live";
import { ExportSheet } from "./sheet";
import { Pace } from "./running";
import { StateOf } from "./state";
import { whatOf } from "./what";

const FILTERS: Record<string, string | null> = {
  all: null,
  active: "queued,running",
  completed: "completed",
  failed: "failed",
};

/** Every export of the project, with what became of it. */
export function ExportsPage({ open }: { open: string | undefined }) {
  const project = useProject();
  const [, go] = useLocation();
  const query = useAddressQuery();
  const state = new URLSearchParams(query).get("state") ?? "all";
  const exports = useExports(FILTERS[state] ?? null);
  const items = exports.data?.pages.flatMap((page) => page.items) ?? [];
  const text = words.exports.list;
  const address = (id?: string) => pathOf(project.id, "exports", ...(id ? [id] : [])) + (query ? `?${query}` : "");
  const index = items.findIndex((known) => known.id === open);
  const step = (by: number) => {
    const next = items[Math.min(Math.max(index + by, 0), items.length - 1)];
    if (next) go(address(next.id), { replace: open !== undefined });
  };
  useKeys({ j: () => step(1), k: () => step(-1), Escape: () => open && go(address()) });
  return (
    <div className="page">
      <div className="page-head">
        <h1>{words.pages["exports"]}</h1>
        <div className="actions">
          <Link className="button" data-look="primary" href={pathOf(project.id, "events")}>
            {text.toEvents}
          </Link>
        </div>
      </div>
      <div className="tools">
        <Segments
          label={text.state}
          value={state}
          options={[
            { value: "all", label: text.all },
            { value: "active", label: text.active },
            { value: "completed", label: words.exports.states["completed"]! },
            { value: "failed", label: words.exports.states["failed"]! },
          ]}
          onChange={(next) => go(pathOf(project.id, "exports") + (next === "all" ? "" : `?state=${next}`), { replace: true })}
        />
      </div>
      <div className="page-body" style={{ flex: 1 }}>
        {exports.isPending && <SkeletonLines lines={6} height={32} />}
        {exports.isLoadingError && <Failed error={exports.error} retry={() => void exports.refetch()} />}
        <Stale query={exports} />
        {exports.isSuccess && items.length === 0 && state !== "all" && (
          <Face icon="exports" title={text.emptyState} />
        )}
        {exports.isSuccess && items.length === 0 && state === "all" && (
          <Empty
            icon="exports"
            title={text.empty}
            text={text.emptyText}
            command={text.emptyCommand(serverUrl, project.id)}
            action={
              <Link className="button" href={pathOf(project.id, "events")}>
                {text.toEvents}
              </Link>
            }
          />
        )}
        {items.length > 0 && <List items={items} open={open} address={address} />}
        {exports.hasNextPage && (
          <div style={{ marginTop: 12 }}>
            <Button busy={exports.isFetchingNextPage} onClick={() => void exports.fetchNextPage()}>
              {text.more}
            </Button>
          </div>
        )}
      </div>
      <div className="page-foot" role="status">
        {exports.data && text.count(items.length, exports.hasNextPage)}
      </div>
      {open && <ExportSheet key={open} id={open} close={() => go(address())} />}
    </div>
  );
}

function List({ items, open, address }: { items: Export[]; open: string | undefined; address: (id: string) => string }) {
  const nameOf = useNames();
  const { columns } = words.exports.list;
  return (
    <div className="list-frame" tabIndex={0} role="region" aria-label={words.exports.list.label}>
      <table className="list exports">
        <thead>
          <tr>
            <th>{columns.state}</th>
            <th>{columns.name}</th>
            <th>{columns.format}</th>
            <th className="end">{columns.rows}</th>
            <th className="end">{columns.size}</th>
            <th>{columns.who}</th>
            <th>{columns.created}</th>
            <th>{columns.expires}</th>
            <th>
              <span className="hidden">{words.exports.sheet.download}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((known) => (
            <Line key={known.id} known={known} isOpen={known.id === open} href={address(known.id)} who={nameOf(known.createdBy)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Line({ known, isOpen, href, who }: { known: Export; isOpen: boolean; href: string; who: string }) {
  const [, go] = useLocation();
  const wrote = known.progress.rows > 0 || known.state === "completed";
  return (
    <tr className="line" data-open={isOpen ? "" : undefined} onClick={() => go(href)}>
      <td>
        <StateOf export={known} />
      </td>
      <td className="what">
        <Link href={href} className="clip" title={known.name} aria-current={isOpen ? "true" : undefined} onClick={(event) => event.stopPropagation()}>
          {known.name}
        </Link>
        <div className="muted clip">{whatOf(known.table, requestAgain(known))}</div>
        {known.state === "running" && (
          <div className="pace muted">
            <Progress share={known.progress.share} label={words.exports.progress(known.name)} />
            <Pace progress={known.progress} />
          </div>
        )}
        {known.failure && known.state !== "completed" && <div className="field-problem clip" title={known.failure.message}>{known.failure.message}</div>}
      </td>
      <td>
        <span className="tag">{known.format}</span>
      </td>
      <td className="end number">{wrote ? count(known.progress.rows) : "–"}</td>
      <td className="end number">{wrote ? bytes(known.progress.bytes) : "–"}</td>
      <td className="muted who">
        <div className="clip" title={who}>
          {who}
        </div>
      </td>
      <td className="muted">
        <Time at={known.createdAt} />
      </td>
      <td className="muted">
        <Time at={known.expiresAt} always="relative" />
      </td>
      <td className="end" onClick={(event) => event.stopPropagation()}>
        {known.state === "completed" && <Download known={known} href={href} />}
      </td>
    </tr>
  );
}

/** The file of an export; where there are several, the way to all of them. */
function Download({ known, href }: { known: Export; href: string }) {
  const may = useMay("member");
  const toast = useToast();
  const { download } = useExportActions(known);
  if (!may) return null;
  if (known.files.length > 1) return <Link href={href}>{words.exports.list.files(known.files.length)}</Link>;
  return (
    <IconButton
      name={words.exports.sheet.downloadNamed(known.fileName)}
      icon="download"
      size="small"
      disabled={download.isPending}
      onClick={() => download.mutate(0, { onError: (error) => toast(<ProblemNote error={error} />) })}
    />
  );
}
