import { compact, instant, rough } from "../format/times";
import type { IconName } from "../parts/icons";
import { State, type Tone } from "../parts/state";
import { words } from "../words";
import type { Integration, WindowRun } from "./calls";

const STATUS: Record<Integration["status"], [Tone, IconName]> = {
  waiting: ["idle", "clock"],
  running: ["running", "running"],
  upToDate: ["ok", "check"],
  paused: ["idle", "pause"],
  failed: ["failed", "failed"],
};

/** What kinds of destinations are known by at a glance: buckets of three sorts, and products that draw charts. */
const KINDS: Record<string, IconName> = { s3: "bucket", gcs: "cloud", azure: "blocks", posthog: "trend", mixpanel: "pie" };

/** The icon of an integration's kind; kinds that have none have that of all. */
export function iconOf(known: Integration): IconName {
  return KINDS[known.kind] ?? "integrations";
}

/** The health of an integration: icon, word and colour. */
export function StatusOf({ known }: { known: Integration }) {
  const [tone, icon] = STATUS[known.status];
  return (
    <State tone={tone} icon={icon}>
      {words.integrations.status[known.status]!}
    </State>
  );
}

const RUN: Record<WindowRun["state"], [Tone, IconName]> = {
  queued: ["idle", "clock"],
  running: ["running", "running"],
  completed: ["ok", "check"],
  failed: ["failed", "failed"],
  cancelled: ["idle", "cross"],
};

/** Where a run stands. */
export function RunStateOf({ run }: { run: WindowRun }) {
  const waits = run.state === "queued" && run.retryAt !== null;
  const [tone, icon] = waits ? (["attention", "clock"] as const) : RUN[run.state];
  return (
    <State tone={tone} icon={icon}>
      {waits ? words.integrations.runs.waiting : words.integrations.runs.states[run.state]!}
    </State>
  );
}

/** A window in words: `30 Jun 12:00:00 – 13:00:00`. */
export function windowWords(from: string, to: string, now: Date): string {
  const [begin, end] = [instant(from), instant(to)];
  if (!begin || !end) return `${from} – ${to}`;
  // Most windows end at full minutes.
  const short = (date: Date) => compact(date, now).replace(/:00$/, "");
  const [first, last] = [short(begin), short(end)];
  const sameDay = begin.toDateString() === end.toDateString();
  return `${first} – ${sameDay ? last.slice(last.lastIndexOf(" ") + 1) : last}`;
}

/** How far the export is behind now: `12 min`. */
export function lagOf(known: Integration, now: Date): string {
  const upTo = known.exportedUpto === null ? null : instant(known.exportedUpto);
  return upTo ? rough(Math.max(0, now.getTime() - upTo.getTime())) : "–";
}
