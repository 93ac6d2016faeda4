import { expect, it } from "vitest";

import { doneOf } from "./done";

it("a backfill has come as far as its windows are exported, not planned", () => {
  const of = (share: number, windowsCompleted: number, windowsActive: number, windowsFailed = 0) =>
    doneOf({ state: "running", share, windowsCompleted, windowsActive, windowsFailed });
  expect(of(0, 0, 0)).toBe(0);
  expect(of(0.25, 0, 1)).toBe(0);
  expect(of(0.5, 1, 1)).toBe(0.25);
  expect(of(1, 3, 1)).toBe(0.75);
  expect(of(1, 3, 0, 1)).toBe(0.75);
  expect(doneOf({ state: "completed", share: 1, windowsCompleted: 4, windowsActive: 0, windowsFailed: 0 })).toBe(1);
  // The rest was given up.
  expect(doneOf({ state: "cancelled", share: 1, windowsCompleted: 1, windowsActive: 0, windowsFailed: 1 })).toBe(null);
});
