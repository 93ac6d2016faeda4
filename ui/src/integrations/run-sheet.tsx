import { problemOf } from "../api/problem";
import { againOf, failuresOf, Steps, Why, type Step } from "../exports/story";
import { bytes, count } from "../format/numbers";
import { Copyable } from "../parts/copy";
import { Face, Failed, Note, SkeletonLines } from "../parts/faces";
import { Sheet } from "../parts/sheet";
import { Progress } from "../parts/state";
import { useNow } from "../parts/time";
import { words } from "../words";
import type { WindowRun } from "./calls";
import { comparisonsOf } from "./compared";
import { RunStateOf, windowWords } from "./looks";

interface RunSheetProps {
  /** Absent while it is asked for, and where it cannot be had. */
  run: WindowRun | undefined;
  error: unknown;
  close: () => void;
}

/** One run: its story over all attempts, and what it wrote. */
export function RunSheet({ run, error, close }: RunSheetProps) {
  const now = useNow();
  const text = words.integrations.runs;
  const gone = error !== null && problemOf(error).status === 404;
  return (
    <Sheet label={text.label} close={close} title={run ? <h2>{windowWords(run.from, run.to, now)}</h2> : !error && <SkeletonLines lines={1} />}>
      {run && <Content run={run} />}
      {!run && !error && (
        <div className="sheet-body">
          <SkeletonLines lines={10} />
        </div>
      )}
      {gone && (
        <Face icon="search" title={text.goneTitle}>
          <p>{text.gone}</p>
        </Face>
      )}
      {error !== null && !gone && <Failed error={error} />}
    </Sheet>
  );
}

function Content({ run }: { run: WindowRun }) {
  const text = words.integrations.runs;
  return (
    <div className="sheet-body stack" style={{ gap: 16, alignContent: "start" }}>
      <div className="row" style={{ gap: 12 }}>
        <RunStateOf run={run} />
        <span className="muted">{text.causes[run.cause]}</span>
        {run.revision > 1 && <span className="tag">{text.revision(run.revision)}</span>}
      </div>
      {run.state === "running" && <Progress share={run.progress.share} label={run.stem} />}
      {run.result?.warnings.map((warning) => <Note key={warning}>{warning}</Note>)}
      {run.result?.schemaChanged.map((change) => (
        <Note key={change.table} tone="idle">
          {change.added.length > 0 && text.schemaAdded(change.table, change.added.join(", "))}{" "}
          {change.removed.length > 0 && text.schemaRemoved(change.table, change.removed.join(", "))}{" "}
          {change.scoreNames.length > 0 && text.scoreNames(change.scoreNames.join(", "))}
        </Note>
      ))}
      <Steps steps={stepsOf(run)} />
      {run.result && run.result.deliveries.length > 0 && <Deliveries deliveries={run.result.deliveries} />}
      {run.result && run.result.files.length > 0 && (
        <section>
          <h2>{text.files}</h2>
          <ul className="stack" style={{ marginTop: 8 }}>
            {run.result.files.map((file) => (
              <li key={file.key} className="file">
                <div className="mono" style={{ overflowWrap: "anywhere" }}>
                  {file.key}
                </div>
                <div className="muted number">
                  {words.exports.exactly(file.rows)}, {bytes(file.bytes)}
                </div>
                <Copyable text={file.sha256} label={words.exports.sheet.copySha} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <dl className="facts">
        {run.result?.manifest && (
          <>
            <dt>{text.manifest}</dt>
            <dd className="mono">{run.result.manifest}</dd>
          </>
        )}
        {run.result && (
          <>
            <dt>{words.integrations.detail.late}</dt>
            <dd className="number">{count(run.result.lateRows)}</dd>
            <dt>{words.integrations.detail.deleted}</dt>
            <dd className="number">{count(run.result.deletedRows)}</dd>
          </>
        )}
        <dt>{words.exports.sheet.attempts}</dt>
        <dd className="number">{count(run.attempts)}</dd>
        <dt>{words.exports.sheet.id}</dt>
        <dd className="mono">{run.id}</dd>
      </dl>
    </div>
  );
}

/** What became of the events of each table. */
function Deliveries({ deliveries }: { deliveries: NonNullable<WindowRun["result"]>["deliveries"] }) {
  const text = words.integrations.runs.deliveries;
  return (
    <section>
      <h2>{text.title}</h2>
      <table className="list" style={{ marginTop: 8 }}>
        <thead>
          <tr>
            <th>{text.table}</th>
            <th className="end">{text.accepted}</th>
            <th className="end">{text.rejected}</th>
            <th className="end">{text.retried}</th>
          </tr>
        </thead>
        <tbody>
          {deliveries.map((delivery) => (
            <tr key={delivery.table}>
              <td>{words.pages[delivery.table] ?? delivery.table}</td>
              <td className="end number">{count(delivery.accepted)}</td>
              <td className="end number">{count(delivery.rejected)}</td>
              <td className="end number">{count(delivery.retried)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What happened to a window, in order: planned, taken, every attempt that failed and why, done, compared. */
function stepsOf(run: WindowRun): Step[] {
  const text = words.integrations.runs;
  const { result, foundLater, failedAttempts } = run;
  const steps: (Step | null)[] = [
    { tone: "idle", icon: "clock", what: text.planned, at: run.plannedAt },
    run.startedAt ? { tone: "idle", icon: "play", what: text.started, at: run.startedAt } : null,
    ...failuresOf(failedAttempts),
    ...againOf(run, text.attempt(run.attempts)),
    run.retryAt ? { tone: "attention", icon: "clock", what: text.retryAt, at: run.retryAt } : null,
    result ? { tone: "ok", icon: "check", what: text.completed(result.rows, result.bytes), at: run.finishedAt } : null,
    run.state === "cancelled" ? { tone: "idle", icon: "cross", what: text.cancelled, at: run.finishedAt } : null,
    ...(foundLater ? comparedOf(foundLater) : []),
  ];
  return steps.filter((step) => step !== null);
}

/** What comparisons with the source came to. */
function comparedOf(found: NonNullable<WindowRun["foundLater"]>): Step[] {
  return comparisonsOf(found).map(({ tone, what, at, failure }) => ({
    tone,
    icon: tone === "ok" ? "check" : "warning",
    what,
    at,
    more: failure && <Why failure={failure} />,
  }));
}
