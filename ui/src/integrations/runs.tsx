import { serverUrl } from "../api/client";
import { useMay, useProject } from "../app/project";
import { bytes, count, share } from "../format/numbers";
import { Button } from "../parts/button";
import { Empty, Failed, SkeletonLines, Stale } from "../parts/faces";
import { Progress } from "../parts/state";
import { Time, useNow } from "../parts/time";
import { words } from "../words";
import type { useRuns, WindowRun } from "./calls";
import { isVerified } from "./cells";
import { RunStateOf, windowWords } from "./looks";

interface RunsProps {
  id: string;
  runs: ReturnType<typeof useRuns>;
  items: WindowRun[];
  open: string | null;
  onOpen: (run: string) => void;
}

/** Every run, the latest window first. */
export function Runs({ id, runs, items, open, onOpen }: RunsProps) {
  const project = useProject();
  const may = useMay("member");
  const now = useNow();
  const text = words.integrations.runs;
  if (runs.isPending) return <SkeletonLines lines={6} height={28} />;
  if (runs.isLoadingError) return <Failed error={runs.error} retry={() => void runs.refetch()} />;
  if (items.length === 0) {
    return (
      <>
        <Stale query={runs} />
        <Empty
          icon="clock"
          title={text.empty}
          text={may ? `${text.emptyText} ${text.emptyHow}` : text.emptyText}
          {...(may && { command: text.emptyCommand(serverUrl, project.id, id) })}
        />
      </>
    );
  }
  return (
    <>
      <Stale query={runs} />
      <div className="list-frame" tabIndex={0} role="region" aria-label={words.integrations.tabs["runs"]}>
        <table className="list exports">
          <thead>
            <tr>
              <th>{text.state}</th>
              <th>{text.window}</th>
              <th>{text.cause}</th>
              <th className="end">{text.rows}</th>
              <th className="end">{text.size}</th>
              <th>{text.took}</th>
            </tr>
          </thead>
          <tbody>
            {items.map((run) => (
              <tr key={run.id} className="line" data-open={run.id === open ? "" : undefined} onClick={() => onOpen(run.id)}>
                <td>
                  <RunStateOf run={run} />
                  {run.state === "running" && (
                    <div style={{ width: 120, marginTop: 6 }}>
                      <Progress share={run.progress.share} label={`${run.stem} ${share(run.progress.share)}`} />
                    </div>
                  )}
                </td>
                <td className="what">
                  <div className="row" style={{ display: "flex", gap: 6 }}>
                    <button type="button" className="link" onClick={() => onOpen(run.id)}>
                      {windowWords(run.from, run.to, now)}
                    </button>
                    {run.revision > 1 && <span className="tag">{text.revision(run.revision)}</span>}
                    {isVerified(run) && (
                      <span className="tag" data-tone="ok">
                        {text.verified}
                      </span>
                    )}
                  </div>
                  {run.failure && run.state !== "completed" && <div className="field-problem clip" title={run.failure.message}>{run.failure.message}</div>}
                </td>
                <td className="muted">{text.causes[run.cause]}</td>
                <td className="end number">{run.result ? count(run.result.rows) : "–"}</td>
                <td className="end number">{run.result ? bytes(run.result.bytes) : "–"}</td>
                <td className="muted">
                  <Time at={run.finishedAt} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {runs.hasNextPage && (
        <div style={{ marginTop: 12 }}>
          <Button busy={runs.isFetchingNextPage} onClick={() => void runs.fetchNextPage()}>
            {text.more}
          </Button>
        </div>
      )}
    </>
  );
}
