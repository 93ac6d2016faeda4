import type { ReactNode } from "react";

import { problemOf } from "../api/problem";
import { words } from "../words";
import { Button } from "./button";
import { Copyable } from "./copy";
import { Icon, type IconName } from "./icons";

interface FaceProps {
  icon: IconName;
  title: string;
  /** It stands for the whole page. */
  page?: boolean;
  children?: ReactNode;
  actions?: ReactNode;
}

/** What is shown in the place of something that is not there. */
export function Face({ icon, title, page, children, actions }: FaceProps) {
  return (
    <div className="face">
      <Icon name={icon} size={24} />
      {page ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
      {actions && <div className="actions">{actions}</div>}
    </div>
  );
}

/** Nothing is here yet: what it would be, the one thing to do, a command to copy. */
export function Empty({ icon, title, text, command, action }: { icon: IconName; title: string; text: string; command?: string; action?: ReactNode }) {
  return (
    <Face icon={icon} title={title} actions={action}>
      <p>{text}</p>
      {command && <Copyable text={command} />}
    </Face>
  );
}

/** Why something could not be shown, and what can be done about it; `page` where that is the whole page. */
export function Failed({ error, retry, page = false }: { error: unknown; retry?: () => void; page?: boolean }) {
  const problem = problemOf(error);
  if (problem.isForbidden) {
    return (
      <Face icon="lock" title={words.problem.forbidden} page={page}>
        <p>{problem.message}</p>
        <p>{problem.hint ?? words.problem.forbiddenHint}</p>
      </Face>
    );
  }
  const title = problem.isUnreachable ? words.problem.unreachableTitle : problem.status === 400 ? words.problem.refusedTitle : words.problem.title;
  return (
    <div role="alert">
      <Face
        icon="failed"
        title={title}
        page={page}
        actions={
          // What was asked cannot be honoured: asking once more changes nothing.
          retry && problem.status !== 400 && (
            <Button icon="refresh" onClick={retry}>
              {words.problem.retry}
            </Button>
          )
        }
      >
        <p>{problem.message}</p>
        {(problem.hint ?? problem.isUnreachable) && <p>{problem.hint ?? words.problem.unreachableHint}</p>}
      </Face>
    </div>
  );
}

/** A problem in one line, beside what it is about. */
export function ProblemNote({ error }: { error: unknown }) {
  const problem = problemOf(error);
  return (
    <div className="note" data-tone="failed" role="alert">
      <Icon name="failed" />
      <span>
        {problem.message}
        {problem.hint && <> — {problem.hint}</>}
      </span>
    </div>
  );
}

interface Asked {
  data: unknown;
  error: unknown;
  refetch: () => unknown;
  /** Of what comes page after page: whether the page that follows could not be had. */
  isFetchNextPageError?: boolean;
  fetchNextPage?: () => unknown;
}

/** Says that what is shown could not be asked for again. What is there stays: it is better than nothing. */
export function Stale({ query }: { query: Asked }) {
  if (query.data === undefined || query.error === null) return null;
  const problem = problemOf(query.error);
  const again = (query.isFetchNextPageError && query.fetchNextPage) || query.refetch;
  return (
    <div className="note stale" role="note">
      <Icon name="warning" />
      <span>
        {words.problem.stale} {problem.message}
      </span>
      <Button size="small" onClick={() => void again()}>
        {words.problem.retry}
      </Button>
    </div>
  );
}

const NOTES = { ok: "check", idle: "info", failed: "failed" } as const;

/** What the reader should know, in words. */
export function Note({ tone, children }: { tone?: "ok" | "idle" | "failed"; children: ReactNode }) {
  return (
    <div className="note" data-tone={tone} role="note">
      <Icon name={tone ? NOTES[tone] : "warning"} />
      <span>{children}</span>
    </div>
  );
}

/** Widths of lines as texts have them, in percent. */
const LINES = [92, 68, 84, 60, 76, 88, 64, 80];

/** The shape of lines that are being loaded. */
export function SkeletonLines({ lines, height = 20 }: { lines: number; height?: number }) {
  return (
    <div className="stack" role="status" aria-label={words.loading}>
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} className="skeleton" style={{ height, width: `${LINES[line % LINES.length]}%` }} />
      ))}
    </div>
  );
}
