import { describe, expect, it } from "vitest";

import type { Schemas } from "../api/client";
import { comparisonsOf } from "./compared";

const at = "2026-06-20T10:00:00.000Z";
const failure: Schemas["Failure"] = { step: null, code: "not_found", message: "cannot read the manifest", hint: null };

const found = (more: Partial<Schemas["FoundLater"]>): Schemas["FoundLater"] => ({ at, missingRows: 0, supersededRows: 0, revision: null, failure: null, ...more });

const toldOf = (more: Partial<Schemas["FoundLater"]>) => comparisonsOf(found(more)).map((one) => [one.tone, one.what, one.at, one.failure]);

describe("comparisons of a window with its source", () => {
  it("tell what is missing and what has changed", () => {
    expect(toldOf({})).toEqual([["ok", "Compared with the source: 0 missing, 0 with a newer version since", at, null]]);
    expect(toldOf({ missingRows: 3, supersededRows: 1 })).toEqual([["attention", "Compared with the source: 3 missing, 1 with a newer version since", at, null]]);
  });

  it("that failed say why, beside what an earlier one found", () => {
    const failed = ["attention", "Could not be compared with the source", at, failure];
    expect(toldOf({ failure })).toEqual([failed]);
    expect(toldOf({ failure, missingRows: 3, revision: "r" })).toEqual([["attention", "Compared with the source: 3 missing, 0 with a newer version since", null, null], failed]);
    expect(toldOf({ failure, supersededRows: 2 })).toEqual([["ok", "Compared with the source: 0 missing, 2 with a newer version since", null, null], failed]);
  });
});
