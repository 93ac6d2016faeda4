import type { ReactNode } from "react";

import type { Schemas } from "../api/client";
import { Icon, type IconName } from "../parts/icons";
import type { Tone } from "../parts/state";
import { Time } from "../parts/time";
import { words } from "../words";
import type { Export } from "./live";

export interface Step {
  tone: Tone;
  icon: IconName;
  what: string;
  at: string | null;
  more?: ReactNode;
}

/**
 * What happened to an export, in order: asked, taken, every attempt that failed and why, done, downloaded, what
 * comes next.
 */
export function Story({ known, who }: { known: Export; who: string }) {
  return <Steps steps={stepsOf(known, who)} />;
}

/** What happened, in order. */
export function Steps({ steps }: { steps: Step[] }) {
  return (
    <ol className="story">
      {steps.map((step, index) => (
        <li key={index} data-tone={step.tone}>
          <Icon name={step.icon} className={step.icon === "running" ? "spin" : ""} />
          <div>
            <div className="story-line">
              <span>{step.what}</span>
              {step.at && (
                <span className="muted">
                  <Time at={step.at} />
                </span>
              )}
            </div>
            {step.more}
          </div>
        </li>
      ))}
    </ol>
  );
}

function stepsOf(known: Export, who: string): Step[] {
  const text = words.exports.sheet;
  const steps: Step[] = [{ tone: "idle", icon: "user", what: text.asked(who), at: known.createdAt }];
  if (known.startedAt) steps.push({ tone: "idle", icon: "play", what: text.started, at: known.startedAt });
  steps.push(...failuresOf(known.failedAttempts), ...againOf(known, text.startedAgain(known.attempts)));
  return [...steps, ...endOf(known)];
}

/** Every attempt that failed, with their words and ours. */
export function failuresOf(attempts: readonly Schemas["FailedAttempt"][]): Step[] {
  return attempts.map(({ attempt, at, failure }) => ({
    tone: "failed",
    icon: "failed",
    what: words.exports.sheet.failedAt(attempt, failure.step),
    at,
    more: <Why failure={failure} />,
  }));
}

/** Why something failed. */
export function Why({ failure }: { failure: Schemas["Failure"] }) {
  return (
    <div className="story-failure">
      <p className="mono">{failure.message}</p>
      {failure.hint && <p>{failure.hint}</p>}
      <p className="faint mono">{failure.code}</p>
    </div>
  );
}

/** The attempt that came after those that failed, if one did. */
export function againOf(known: Pick<Export, "attempts" | "failedAttempts">, what: string): Step[] {
  const failed = known.failedAttempts.at(-1);
  return failed && known.attempts > failed.attempt ? [{ tone: "idle", icon: "play", what, at: null }] : [];
}

function endOf(known: Export): Step[] {
  const text = words.exports.sheet;
  switch (known.state) {
    case "queued":
      return known.retryAt
        ? [{ tone: "attention", icon: "clock", what: text.retryAt, at: known.retryAt }]
        : [{ tone: "idle", icon: "clock", what: text.waiting, at: null }];
    case "running":
      return [{ tone: "running", icon: "running", what: text.running, at: null }];
    case "failed":
      return [{ tone: "idle", icon: "idle", what: text.noRetry, at: null }];
    case "cancelled":
      return [
        { tone: "idle", icon: "cross", what: text.cancelled, at: known.finishedAt },
        ...(known.cleanup ? [{ tone: "running", icon: "running", what: text.cleanup, at: null } as const] : []),
      ];
    case "completed":
    case "expired": {
      const what = text.completed(known.progress.rows, known.progress.bytes);
      const gone = known.state === "expired";
      return [
        { tone: "ok", icon: "check", what, at: known.finishedAt },
        ...(known.downloads > 0 ? [{ tone: "ok", icon: "download", what: text.downloaded(known.downloads), at: known.downloadedAt } as const] : []),
        { tone: "idle", icon: "trash", what: gone ? text.expired : text.expires, at: known.expiresAt },
      ];
    }
  }
}
