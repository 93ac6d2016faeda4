import { describe, expect, it } from "vitest";

import type { Schemas } from "../api/client";
import type { WindowRun } from "./calls";
import { cellsOf, idOf, pausedOf } from "./cells";

const at = (hour: number) => `2026-06-30T${String(hour).padStart(2, "0")}:00:00Z`;

function run(hour: number, more: Partial<WindowRun> = {}): WindowRun {
  const base = { id: `${hour}.${more.revision ?? 1}`, from: at(hour), to: at(hour + 1), revision: 1, state: "completed", foundLater: null };
  return { ...base, ...more } as WindowRun;
}

function stretch(from: number, to: number, state: Schemas["Coverage"]["state"], windows: number): Schemas["Coverage"] {
  return { from: at(from), to: at(to), state, windows };
}

const found = (missingRows: number, failure: Schemas["Failure"] | null = null) => ({ at: at(23), missingRows, supersededRows: 0, revision: null, failure });

describe("the coverage strip", () => {
  it("has a cell for every window, oldest first, in the state of its newest run", () => {
    const runs = [
      run(7, { state: "running" }),
      run(6, { state: "queued" }),
      run(5, { state: "failed" }),
      run(4, { revision: 2 }),
      run(4, { foundLater: found(3) }),
      run(3, { foundLater: found(0) }),
      run(2, { foundLater: found(0, { step: null, code: "not_found", message: "cannot read the manifest", hint: null }) }),
      run(1, { state: "cancelled" }),
    ];
    const cells = cellsOf(runs, [stretch(1, 2, "cancelled", 1), stretch(2, 5, "completed", 3)]);
    expect(cells.map((cell) => [cell.run, cell.state])).toEqual([
      ["1.1", "cancelled"],
      ["2.1", "exported"],
      ["3.1", "verified"],
      ["4.2", "reexported"],
      ["5.1", "failed"],
      ["6.1", "waiting"],
      ["7.1", "running"],
    ]);
  });

  it("shows what was never planned, and older stretches whose runs are not at hand", () => {
    const cells = cellsOf([run(9), run(6)], [stretch(0, 5, "completed", 5), stretch(5, 6, null, 0), stretch(6, 7, "completed", 1), stretch(7, 9, null, 0), stretch(9, 10, "completed", 1)]);
    expect(cells.map(({ from, state, windows, run }) => [from, state, windows, run])).toEqual([
      [at(0), "exported", 5, null],
      [at(5), "missing", 0, null],
      [at(6), "exported", 1, "6.1"],
      [at(7), "missing", 0, null],
      [at(9), "exported", 1, "9.1"],
    ]);
  });

  it("counts every window once, also where a stretch goes on into the windows whose runs are at hand", () => {
    const stretches = [stretch(0, 4, "completed", 4), stretch(4, 12, "completed", 8), stretch(12, 13, "failed", 1)];
    const cells = cellsOf([run(12, { state: "failed" }), run(11), run(10, { revision: 2 }), run(10)], stretches);
    expect(cells.map(({ from, to, windows, run }) => [from, to, windows, run])).toEqual([
      [at(0), at(4), 4, null],
      [at(4), at(10), 6, null],
      [at(10), at(11), 1, "10.2"],
      [at(11), at(12), 1, "11.1"],
      [at(12), at(13), 1, "12.1"],
    ]);
  });

  it("tells windows apart that begin at one instant, as they do after a change of the schedule", () => {
    const cells = cellsOf([run(9, { id: "day", to: at(23) }), run(9), run(8)], [stretch(0, 8, "completed", 8)]);
    expect(cells.map(({ run }) => run)).toEqual([null, "8.1", "day", "9.1"]);
    expect(new Set(cells.map(idOf)).size).toBe(4);
    // A stretch stays the one that it was when it becomes longer.
    const [longer] = cellsOf([run(8)], [stretch(0, 7, "completed", 7)]);
    expect(idOf(longer!)).toBe(idOf(cells[0]!));
  });

  it("ends with the windows that are due while the integration is paused", () => {
    const next = (hour: number): Schemas["NextWindow"] => ({ from: at(hour), to: at(hour + 1), at: `2026-06-30T${String(hour + 1).padStart(2, "0")}:05:00Z`, files: [] });
    const windows = [9, 10, 11, 12, 13].map(next);
    const paused = (time: string) => pausedOf(windows, new Date(time)).map(({ from, to, state, windows }) => [from, to, state, windows]);
    expect(paused("2026-06-30T10:04:59Z")).toEqual([]);
    expect(paused("2026-06-30T11:05:00Z")).toEqual([
      [at(9), at(10), "paused", 1],
      [at(10), at(11), "paused", 1],
    ]);
    // There are more than are known, nobody knows how many.
    expect(paused("2026-07-01T08:00:00.000Z")).toEqual([[at(9), "2026-07-01T08:00:00.000Z", "paused", 0]]);
    expect(pausedOf([], new Date())).toEqual([]);
  });

  it("is empty where nothing was planned", () => {
    expect(cellsOf([], [])).toEqual([]);
  });
});
