import { useLocation } from "wouter";

import { serverUrl } from "../api/client";
import { lastFailure, problemOf } from "../api/problem";
import { pathOf, useMay, useProject } from "../app/project";
import { cliCommand, curlCommand } from "../export/commands";
import { bytes, count } from "../format/numbers";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { CopyButton } from "../parts/copy";
import { Face, Failed, Note, ProblemNote, SkeletonLines } from "../parts/faces";
import { Sheet } from "../parts/sheet";
import { Progress } from "../parts/state";
import { words } from "../words";
import { Payload } from "../explore/row/payload";
import { requestAgain } from "./again";
import { useExport, useExportActions, useNames } from "./calls";
import { isActive, useLiveExport, type Export } from "./live";
import { Receipt } from "./receipt";
import { Pace } from "./running";
import { StateOf } from "./state";
import { Story } from "./story";
import { whatOf } from "./what";

/** One export: where it stands, what happened, what it wrote, and what can be done with it. */
export function ExportSheet({ id, close }: { id: string; close: () => void }) {
  const known = useExport(id);
  const gone = known.isError && problemOf(known.error).status === 404;
  return (
    <div className="sheet-place">
      <Sheet
        label={words.exports.sheet.label}
        close={close}
        title={known.data ? <h2>{known.data.name}</h2> : known.isPending && <SkeletonLines lines={1} />}
      >
        <div className="sheet-body">
          {known.isPending && <SkeletonLines lines={10} />}
          {gone && (
            <Face icon="search" title={words.exports.sheet.goneTitle}>
              <p>{words.exports.sheet.gone}</p>
            </Face>
          )}
          {known.isLoadingError && !gone && <Failed error={known.error} retry={() => void known.refetch()} />}
          {known.data && !gone && <Content known={known.data} close={close} />}
        </div>
      </Sheet>
    </div>
  );
}

function Content({ known, close }: { known: Export; close: () => void }) {
  const project = useProject();
  const nameOf = useNames();
  const { export: now, lost } = useLiveExport(project.id, known);
  const text = words.exports.sheet;
  const request = requestAgain(now);
  return (
    <div className="stack" style={{ gap: 16 }}>
      <div className="stack" style={{ gap: 6 }}>
        <StateOf export={now} />
        <p className="muted">{whatOf(now.table, request)}</p>
        {now.state === "running" && <Running now={now} />}
        {lost && isActive(now) && <Note tone="idle">{text.lost}</Note>}
      </div>
      <Actions now={now} close={close} />
      {now.truncated && <Note>{text.truncated}</Note>}
      {now.warnings.map((warning) => (
        <Note key={warning}>{warning}</Note>
      ))}
      <section className="section">
        <h2>{text.story}</h2>
        <Story known={now} who={nameOf(now.createdBy)} />
      </section>
      {(now.state === "completed" || now.state === "expired") && <Receipt now={now} />}
      <section className="section">
        <h2>{text.request}</h2>
        {request && (
          <div className="row" style={{ marginBottom: 8 }}>
            <CopyButton text={cliCommand(serverUrl, project.id, request)}>{words.exports.copyCli}</CopyButton>
            <CopyButton text={curlCommand(serverUrl, project.id, request)}>{words.exports.copyCurl}</CopyButton>
          </div>
        )}
        <Payload value={now.request} bare />
      </section>
      <dl className="facts">
        <dt>{text.id}</dt>
        <dd className="mono">{now.id}</dd>
        <dt>{text.attempts}</dt>
        <dd className="number">{count(now.attempts)}</dd>
      </dl>
    </div>
  );
}

function Running({ now }: { now: Export }) {
  const { progress } = now;
  return (
    <div aria-live="off">
      <Progress share={progress.share} label={words.exports.progress(now.name)} />
      <div className="row muted" style={{ marginTop: 6, gap: 14, fontSize: 13 }}>
        <Pace progress={progress} />
        <span className="number">{words.exports.soFar(progress.rows, progress.bytes)}</span>
      </div>
    </div>
  );
}

function Actions({ now, close }: { now: Export; close: () => void }) {
  const project = useProject();
  const may = useMay("member");
  const [, go] = useLocation();
  const actions = useExportActions(now);
  const text = words.exports.sheet;
  const request = requestAgain(now);
  if (!may) return null;
  const failure = lastFailure(actions.retry, actions.download, actions.again);
  const first = now.files[0];
  return (
    <>
      <div className="row">
        {now.state === "completed" && first && (
          <Button look="primary" icon="download" busy={actions.download.isPending} onClick={() => actions.download.mutate(0)}>
            {now.files.length > 1 ? text.downloadFirst(now.files.length) : text.download} {bytes(first.bytes)}
          </Button>
        )}
        {(now.state === "queued" || now.state === "running") && (
          <Confirm title={text.cancelTitle} text={text.cancelText(now.name)} verb={text.cancelVerb} act={() => actions.cancel.mutateAsync()}>
            <Button icon="cross">{text.cancel}</Button>
          </Confirm>
        )}
        {(now.state === "failed" || now.state === "cancelled") && (
          <Button icon="undo" busy={actions.retry.isPending} onClick={() => actions.retry.mutate()}>
            {text.retry}
          </Button>
        )}
        {request && !isActive(now) && (
          <Button
            icon="refresh"
            busy={actions.again.isPending}
            onClick={() => actions.again.mutate(request, { onSuccess: (made) => go(pathOf(project.id, "exports", made.id)) })}
          >
            {text.again}
          </Button>
        )}
        <Confirm
          title={text.removeTitle}
          text={text.removeText(now.name)}
          verb={text.removeVerb}
          act={async () => {
            await actions.remove.mutateAsync();
            close();
          }}
        >
          <Button look="plain" icon="trash">
            {text.remove}
          </Button>
        </Confirm>
      </div>
      {failure !== null && <ProblemNote error={failure} />}
    </>
  );
}
