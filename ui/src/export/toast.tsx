import { Link } from "wouter";

import type { Schemas } from "../api/client";
import { pathOf } from "../app/project";
import { useLiveExport } from "../exports/live";
import { StateOf } from "../exports/state";
import { Progress } from "../parts/state";
import { share } from "../format/numbers";
import { words } from "../words";

/** What has become of the export that was just asked for, with the way to it. */
export function ExportToast({ project, made }: { project: string; made: Schemas["Export"] }) {
  const now = useLiveExport(project, made).export;
  return (
    <div className="stack" style={{ gap: 6 }}>
      <div className="row" style={{ justifyContent: "space-between" }}>
        <StateOf export={now} />
        <Link href={pathOf(project, "exports", now.id)}>{words.exports.view}</Link>
      </div>
      <span className="muted clip">{now.name}</span>
      {/* Room is kept for it before and after: a link that moves is missed by whoever is about to click. */}
      <div className="row" aria-live="off" style={{ flexWrap: "nowrap", visibility: now.state === "running" ? "visible" : "hidden" }}>
        <div style={{ flex: 1 }}>
          <Progress share={now.progress.share} label={words.exports.progress(now.name)} />
        </div>
        <span className="number">{share(now.progress.share)}</span>
      </div>
    </div>
  );
}
