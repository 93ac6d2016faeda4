import type { ReactNode } from "react";

import { useMay } from "../app/project";
import { bytes, count } from "../format/numbers";
import { exact, exactWithUtc, instant } from "../format/times";
import { Button, Hint } from "../parts/button";
import { Copyable } from "../parts/copy";
import { ProblemNote } from "../parts/faces";
import { words } from "../words";
import { queryOf, type Query } from "./again";
import { useExportActions } from "./calls";
import type { Export } from "./live";

const text = words.exports.receipt;

/** What was written, and of what: it stays when the files are deleted, and proves what somebody has of them. */
export function Receipt({ now }: { now: Export }) {
  const query = queryOf(now);
  const facts: [string, ReactNode][] = [
    [text.rows, <span className="number">{count(now.progress.rows)}</span>],
    [text.size, <span className="number">{text.bytes(now.progress.bytes)}</span>],
    ...(query ? ofQuery(query) : []),
    [text.cut, now.truncated ? words.yes : words.no],
  ];
  return (
    <section className="section" aria-label={text.title}>
      <h2>{text.title}</h2>
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {now.files.length > 0 && (
        <>
          <h3>{text.files}</h3>
          <Files now={now} />
        </>
      )}
    </section>
  );
}

function ofQuery({ window, cursor, columns, scores }: Query): [string, ReactNode][] {
  return [
    [text.from, <Bound at={window.from} />],
    [text.to, <Bound at={window.to} />],
    [words.explore.range.heldAgainst, words.explore.range.timestamps[cursor]],
    [text.columns, text.columnsOf(columns.length, scores)],
  ];
}

/** A bound of the window: to the millisecond, because a receipt is compared with others. */
function Bound({ at }: { at: string | null }) {
  const date = at === null ? null : instant(at);
  if (!date) return <span className="faint">{at ?? text.open}</span>;
  return (
    <Hint text={exactWithUtc(date)}>
      <time className="number" dateTime={at!}>
        {exact(date)}
      </time>
    </Hint>
  );
}

/** Each file with its checksum; it is downloaded here while it is there. */
function Files({ now }: { now: Export }) {
  const actions = useExportActions(now);
  const may = useMay("member") && now.state === "completed";
  return (
    <ul className="stack">
      {now.files.map((file) => (
        <li key={file.index} className="file">
          <div className="row" style={{ justifyContent: "space-between", flexWrap: "nowrap" }}>
            <span className="mono clip">{file.name}</span>
            {may && (
              <Button
                size="small"
                icon="download"
                aria-label={words.exports.sheet.downloadFile(file.name, file.bytes)}
                onClick={() => actions.download.mutate(file.index)}
              >
                {bytes(file.bytes)}
              </Button>
            )}
          </div>
          <div className="muted">
            <span className="number">{words.exports.exactly(file.rows)}</span>, {text.sha256}
          </div>
          <Copyable text={file.sha256} label={words.exports.sheet.copySha} />
        </li>
      ))}
      {actions.download.error && <ProblemNote error={actions.download.error} />}
    </ul>
  );
}
