import type { Schemas } from "../api/client";
import { words } from "../words";

/** What one comparison of a window with its source came to. */
export interface Compared {
  tone: "ok" | "attention";
  what: string;
  /** When it was; null where only the time of a later one is known. */
  at: string | null;
  failure: Schemas["Failure"] | null;
}

/** What comparisons came to: one that failed takes away nothing of what an earlier one found. */
export function comparisonsOf({ at, failure, missingRows, supersededRows, revision }: Schemas["FoundLater"]): Compared[] {
  const text = words.integrations.runs;
  const isFound = missingRows > 0 || supersededRows > 0 || revision !== null;
  const compared: Compared[] = [];
  if (failure === null || isFound) {
    const what = text.foundLater(missingRows, supersededRows);
    compared.push({ tone: missingRows === 0 ? "ok" : "attention", what, at: failure === null ? at : null, failure: null });
  }
  if (failure !== null) compared.push({ tone: "attention", what: text.notCompared, at, failure });
  return compared;
}
