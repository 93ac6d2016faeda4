import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";

import { lastFailure, problemOf } from "../api/problem";
import { useAddressPath, useAddressQuery } from "../app/address";
import { useCrumb } from "../app/crumb";
import { useKeys } from "../app/keys";
import { pathOf, useMay, useProject } from "../app/project";
import { useNames } from "../exports/calls";
import { count } from "../format/numbers";
import { Button } from "../parts/button";
import { Confirm } from "../parts/confirm";
import { Note, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { Icon } from "../parts/icons";
import { Time, useNow } from "../parts/time";
import { useToast } from "../parts/toasts";
import { words } from "../words";
import { Backfills } from "./backfills";
import { useActions, useIntegration, useRun, useRuns, type Integration, type WindowRun } from "./calls";
import { WindowChart } from "./chart";
import { CoverageStrip } from "./coverage";
import { destinationOf } from "./draft";
import { Letters } from "./letters";
import { lagOf, StatusOf } from "./looks";
import { Missing } from "./page";
import { RunSheet } from "./run-sheet";
import { Runs } from "./runs";
import { scheduleWords } from "./schedule";
import { Settings } from "./settings";

const TABS = ["runs", "backfills", "letters", "settings"];

/** One integration: its health, what of time is exported, and what became of every window. */
export function DetailPage({ id, tab }: { id: string; tab: string | undefined }) {
  const project = useProject();
  const known = useIntegration(id);
  const active = (known.data?.runsActive ?? 0) > 0;
  const runs = useRuns(id, active);
  const [open, setOpen] = useOpenRun();
  const items = runs.data?.pages.flatMap((page) => page.items) ?? [];
  const opened = useRun(id, runs.isPending ? null : open, items.find((run) => run.id === open));
  useCrumb(known.data?.name ?? null);
  useKeys({ Escape: () => open !== null && setOpen(null) });
  if (known.isPending) {
    return (
      <div className="page-body">
        <SkeletonLines lines={10} height={28} />
      </div>
    );
  }
  const isGone = known.isRefetchError && problemOf(known.error).status === 404;
  if (known.isLoadingError || isGone) return <Missing error={known.error} retry={() => void known.refetch()} />;
  const current = TABS.includes(tab ?? "") ? tab! : "runs";
  const contents: Record<string, ReactNode> = {
    runs: <Runs id={id} runs={runs} items={items} open={open} onOpen={setOpen} />,
    backfills: <Backfills known={known.data} />,
    letters: <Letters id={id} />,
    settings: <Settings known={known.data} />,
  };
  return (
    <div className="page">
      <div className="page-head">
        <h1>{known.data.name}</h1>
        <StatusOf known={known.data} />
        <Actions known={known.data} />
      </div>
      <div className="page-body">
        <p className="muted" style={{ marginBottom: 12 }}>
          <span className="mono">{destinationOf(known.data)}</span> · {scheduleWords(known.data.schedule)}
        </p>
        <Stale query={known} />
        <Paused known={known.data} />
        <Figures known={known.data} runs={items} areAll={!runs.hasNextPage} />
        <CoverageStrip id={id} active={active} paused={known.data.pause !== null} runs={items} open={open} onOpen={setOpen} />
        <WindowChart runs={items} onOpen={setOpen} />
        <nav className="tabs" style={{ margin: "24px -16px 16px", padding: "0 16px" }} aria-label={known.data.name}>
          {TABS.map((name) => (
            <Link
              key={name}
              className="tab settings-tab"
              href={pathOf(project.id, "integrations", id, ...(name === "runs" ? [] : [name]))}
              aria-current={name === current ? "page" : undefined}
            >
              {words.integrations.tabs[name]}
            </Link>
          ))}
        </nav>
        {contents[current]}
      </div>
      {open !== null && (
        <div className="sheet-place">
          <RunSheet run={opened.run} error={opened.error} close={() => setOpen(null)} />
        </div>
      )}
    </div>
  );
}

/** The run whose sheet is open: it is in the address, so a link shows it too. */
function useOpenRun(): [string | null, (run: string | null) => void] {
  const path = useAddressPath();
  const [, go] = useLocation();
  const open = new URLSearchParams(useAddressQuery()).get("run");
  return [open, (run) => go(run === null ? path : `${path}?run=${encodeURIComponent(run)}`, { replace: open !== null && run !== null })];
}

function Actions({ known }: { known: Integration }) {
  const project = useProject();
  const member = useMay("member");
  const owner = useMay("owner");
  const toast = useToast();
  const [, go] = useLocation();
  const actions = useActions(known.id);
  const text = words.integrations.actions;
  const failure = lastFailure(actions.run, actions.pause, actions.resume);
  if (!member) return null;
  return (
    <>
      <div className="actions" style={{ flexWrap: "wrap" }}>
        {known.pause ? (
          <Button look="primary" icon="play" busy={actions.resume.isPending} onClick={() => actions.resume.mutate()}>
            {text.resume}
          </Button>
        ) : (
          <>
            <Button
              look="primary"
              icon="play"
              busy={actions.run.isPending}
              onClick={() => actions.run.mutate(undefined, { onSuccess: (runs) => toast(text.planned(runs.length)) })}
            >
              {text.run}
            </Button>
            <Button icon="pause" busy={actions.pause.isPending} onClick={() => actions.pause.mutate()}>
              {text.pause}
            </Button>
          </>
        )}
        {owner && (
          <>
            <Link className="button" href={pathOf(project.id, "integrations", known.id, "edit")}>
              <Icon name="settings" />
              {text.edit}
            </Link>
            <Confirm
              title={text.removeTitle(known.name)}
              text={text.removeText}
              verb={text.removeVerb}
              act={async () => {
                await actions.remove.mutateAsync();
                go(pathOf(project.id, "integrations"));
              }}
            >
              <Button look="plain" icon="trash">
                {text.remove}
              </Button>
            </Confirm>
          </>
        )}
      </div>
      {failure !== null && (
        <div style={{ flexBasis: "100%" }}>
          <ProblemNote error={failure} />
        </div>
      )}
    </>
  );
}

/** Why it does nothing, with what has to be changed where a fault stopped it. */
function Paused({ known }: { known: Integration }) {
  const nameOf = useNames();
  const { pause } = known;
  if (!pause) return null;
  if (!pause.failure) {
    return (
      <div style={{ marginBottom: 16 }}>
        <Note tone="idle">{words.integrations.pausedBy(nameOf(pause.by))}</Note>
      </div>
    );
  }
  return (
    <div className="story-failure" role="alert" style={{ marginBottom: 16 }}>
      <strong>{words.integrations.pausedByFault}</strong>
      <p className="mono">{pause.failure.message}</p>
      {pause.failure.hint && <p>{pause.failure.hint}</p>}
      <p className="faint">
        {pause.failure.step} · <span className="mono">{pause.failure.code}</span> · <Time at={pause.at} />
      </p>
    </div>
  );
}

/** `areAll`: whether the runs at hand are all that there were. */
function Figures({ known, runs, areAll }: { known: Integration; runs: WindowRun[]; areAll: boolean }) {
  const now = useNow();
  const text = words.integrations.detail;
  const done = runs.flatMap((run) => (run.result ? [run.result] : []));
  const sum = (of: (result: NonNullable<WindowRun["result"]>) => number) => count(done.reduce((all, result) => all + of(result), 0));
  const recent = !areAll && runs.length > 0 ? text.recent(runs.length) : undefined;
  const figures: [name: string, value: ReactNode, of?: string | undefined][] = [
    [text.upTo, <Time at={known.exportedUpto} />],
    [text.lag, lagOf(known, now)],
    [text.next, <Time at={known.nextAt} always="relative" />],
    [text.active, count(known.runsActive)],
    [text.late, sum((result) => result.lateRows), recent],
    [text.deleted, sum((result) => result.deletedRows), recent],
    [text.rejected, sum((result) => result.rejectedRows), recent],
  ];
  return (
    <dl className="figures">
      {figures.map(([name, value, of]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="number">{value}</dd>
          {of && <dd className="field-help">{of}</dd>}
        </div>
      ))}
    </dl>
  );
}
