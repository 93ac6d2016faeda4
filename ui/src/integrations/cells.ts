import type { Schemas } from "../api/client";
import type { WindowRun } from "./calls";

/** What became of a window, or of several that stand alike. */
export type CellState = "exported" | "verified" | "reexported" | "running" | "waiting" | "failed" | "cancelled" | "missing" | "paused";

/** A cell of the strip: a window with its newest run, or a stretch of windows whose runs are not at hand. */
export interface Cell {
  from: string;
  to: string;
  state: CellState;
  windows: number;
  run: string | null;
}

/** What a cell is known by. Windows of two schedules may begin at one instant; a stretch does so alone, but its end moves. */
export function idOf({ from, to, run }: Cell): string {
  return run === null ? from : `${from} ${to}`;
}

/** The strip, oldest first: a cell for every window among the runs at hand, and one for every older stretch. */
export function cellsOf(runs: readonly WindowRun[], stretches: readonly Schemas["Coverage"][]): Cell[] {
  const newest = new Map<string, WindowRun>();
  for (const run of runs) {
    const window = `${run.from} ${run.to}`;
    const known = newest.get(window);
    if (!known || run.revision > known.revision) newest.set(window, run);
  }
  const windows = [...newest.values()].map(cellOf).sort((a, b) => time(a.from) - time(b.from));
  const first = windows[0] ? time(windows[0].from) : Infinity;
  const older = stretches.filter((stretch) => time(stretch.from) < first).flatMap((stretch) => before(stretch, windows));
  // What no run is known of is told by the stretches that lie among the windows.
  const gaps = stretches.filter((stretch) => stretch.state === null && time(stretch.from) >= first).map(stretchOf);
  return [...older, ...windows, ...gaps].sort((a, b) => time(a.from) - time(b.from));
}

/** What of a stretch lies before the windows that have cells of their own: the API counts them among those that stand alike. */
function before(stretch: Schemas["Coverage"], windows: readonly Cell[]): Cell[] {
  const within = windows.filter((window) => time(window.from) < time(stretch.to)).length;
  if (within === 0) return [stretchOf(stretch)];
  const left = stretch.windows - within;
  return left > 0 ? [{ ...stretchOf(stretch), to: windows[0]!.from, windows: left }] : [];
}

function cellOf(run: WindowRun): Cell {
  return { from: run.from, to: run.to, state: stateOf(run), windows: 1, run: run.id };
}

function stateOf(run: WindowRun): CellState {
  switch (run.state) {
    case "completed":
      if (run.revision > 1) return "reexported";
      return isVerified(run) ? "verified" : "exported";
    case "queued":
      return "waiting";
    default:
      return run.state;
  }
}

/** Whether a window was compared with its source and nothing was missing. */
export function isVerified({ foundLater }: WindowRun): boolean {
  return foundLater !== null && foundLater.failure === null && foundLater.missingRows === 0;
}

function stretchOf(stretch: Schemas["Coverage"]): Cell {
  const { from, to } = stretch;
  const of: Record<Schemas["WindowRunState"], CellState> = {
    completed: "exported",
    queued: "waiting",
    running: "running",
    failed: "failed",
    cancelled: "cancelled",
  };
  return { from, to, state: stretch.state ? of[stretch.state] : "missing", windows: stretch.windows, run: null };
}

/**
 * Windows that are due, and wait only for the integration to be resumed: `next` are the first ones after what was
 * planned. Where all of those are due there are more, so that they are one stretch of nobody knows how many.
 */
export function pausedOf(next: readonly Schemas["NextWindow"][], now: Date): Cell[] {
  const due = next.filter((window) => time(window.at) <= now.getTime());
  const [first] = due;
  if (!first) return [];
  if (due.length === next.length) return [{ from: first.from, to: now.toISOString(), state: "paused", windows: 0, run: null }];
  return due.map(({ from, to }) => ({ from, to, state: "paused", windows: 1, run: null }));
}

function time(text: string): number {
  return new Date(text).getTime();
}
