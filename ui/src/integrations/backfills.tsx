import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answered, api, serverUrl, type Schemas } from "../api/client";
import { problemOf } from "../api/problem";
import { useMay, useProject } from "../app/project";
import { fromLocalField } from "../explore/ranges";
import { share } from "../format/numbers";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Empty, Failed, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { SelectField, TextField } from "../parts/fields";
import { useSettled } from "../parts/settled";
import { Progress } from "../parts/state";
import { Time, useNow } from "../parts/time";
import { words } from "../words";
import { useActions, useBackfills, type Integration } from "./calls";
import { doneOf } from "./done";
import { windowWords } from "./looks";

const text = words.integrations.backfills;

/** Stretches of the past that are exported again, and the way to begin one. */
export function Backfills({ known }: { known: Integration }) {
  const { id } = known;
  const project = useProject();
  const may = useMay("member");
  const backfills = useBackfills(id);
  if (backfills.isPending) return <SkeletonLines lines={3} height={28} />;
  if (backfills.isLoadingError) return <Failed error={backfills.error} retry={() => void backfills.refetch()} />;
  const { items } = backfills.data;
  return (
    <>
      <Stale query={backfills} />
      {may && <NewBackfill id={id} parallelMax={known.catchUpMax} />}
      {items.length === 0 && (
        <Empty
          icon="undo"
          title={text.empty}
          text={may ? `${text.emptyText} ${text.emptyHow}` : text.emptyText}
          {...(may && { command: text.emptyCommand(serverUrl, project.id, id) })}
        />
      )}
      <ul className="stack">
        {items.map((backfill) => (
          <Line key={backfill.id} id={id} backfill={backfill} may={may} />
        ))}
      </ul>
    </>
  );
}

function Line({ id, backfill, may }: { id: string; backfill: Schemas["Backfill"]; may: boolean }) {
  const project = useProject();
  const now = useNow();
  const { refresh } = useActions(id);
  const done = doneOf(backfill);
  const cancel = () =>
    answered(
      api.POST("/api/v1/projects/{project}/integrations/{integration}/backfills/{backfill}/cancel", {
        params: { path: { project: project.id, integration: id, backfill: backfill.id } },
      }),
    ).then(refresh);
  return (
    <li className="panel" style={{ margin: 0, maxWidth: "none" }}>
      <div className="row" style={{ justifyContent: "space-between" }}>
        <div>
          <strong>{windowWords(backfill.from, backfill.to, now)}</strong>{" "}
          <span className="muted">
            {text.states[backfill.state] ?? backfill.state}
            {backfill.cause === "catchUp" && `, ${text.catchUp}`}
          </span>
        </div>
        <span className="muted">
          <Time at={backfill.createdAt} />
        </span>
      </div>
      {backfill.finishedAt === null && <Progress share={done ?? 0} label={text.progress} />}
      <div className="row" style={{ justifyContent: "space-between" }}>
        <span className="muted number">
          {done !== null && `${share(done)} · `}
          {text.windows(backfill.windowsCompleted, backfill.windowsActive, backfill.windowsFailed)}
        </span>
        {may && backfill.finishedAt === null && backfill.cause === "request" && (
          <Confirm title={text.cancelTitle} text={text.cancelText} verb={text.cancelVerb} act={cancel}>
            <Button size="small" icon="cross">
              {text.cancel}
            </Button>
          </Confirm>
        )}
      </div>
    </li>
  );
}

function NewBackfill({ id, parallelMax }: { id: string; parallelMax: number }) {
  const project = useProject();
  const { refresh } = useActions(id);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [order, setOrder] = useState<Schemas["Backfill"]["order"]>("oldestFirst");
  const [parallel, setParallel] = useState("");
  const path = { project: project.id, integration: id };
  const range = { from: fromLocalField(from), to: fromLocalField(to) };
  const body = range.from && range.to ? { from: range.from, to: range.to } : null;
  const asked = useSettled(body);
  const estimate = useQuery({
    queryKey: ["integration-estimate", id, asked],
    enabled: asked !== null,
    retry: false,
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/integrations/{integration}/backfills/estimate", { params: { path }, body: asked!, signal }),
      ),
  });
  const begin = useMutation({
    mutationFn: () =>
      answered(
        api.POST("/api/v1/projects/{project}/integrations/{integration}/backfills", {
          params: { path },
          body: { ...body!, order, ...(parallel !== "" && { parallelMax: Number(parallel) }) },
        }),
      ),
    onSuccess: refresh,
  });
  const failure = begin.error ?? estimate.error;
  return (
    <form
      className="panel"
      style={{ maxWidth: 640 }}
      // What was refused is not what is entered now.
      onChange={() => begin.isError && begin.reset()}
      onSubmit={(event) => {
        event.preventDefault();
        begin.mutate();
      }}
    >
      <h3>{text.new}</h3>
      <p className="field-help">{text.text}</p>
      <div className="field-row">
        <TextField label={text.from} type="datetime-local" required value={from} onChange={setFrom} />
        <TextField label={text.to} type="datetime-local" required value={to} onChange={setTo} />
      </div>
      <div className="field-row">
        <SelectField
          label={text.order}
          value={order}
          options={(["oldestFirst", "newestFirst"] as const).map((value) => ({ value, label: text.orders[value]! }))}
          onChange={setOrder}
        />
        <TextField label={text.parallel} type="number" min={1} max={64} placeholder={String(parallelMax)} value={parallel} onChange={setParallel} />
      </div>
      {estimate.data && body && <p className="number">{text.estimate(estimate.data.rowsMax, estimate.data.bytesMax)}</p>}
      {failure && body && <ProblemNote error={problemOf(failure)} />}
      <div>
        <Button type="submit" busy={begin.isPending} disabled={body === null}>
          {text.begin}
        </Button>
      </div>
    </form>
  );
}
