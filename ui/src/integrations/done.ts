import type { Schemas } from "../api/client";

type Counted = Pick<Schemas["Backfill"], "state" | "share" | "windowsActive" | "windowsCompleted" | "windowsFailed">;

/**
 * Part of a backfill that is exported, from 0 to 1; null where it was given up. The API tells which part of the time is
 * planned: windows that are under way, or wait for somebody, are among that.
 */
export function doneOf({ state, share, windowsActive, windowsCompleted, windowsFailed }: Counted): number | null {
  if (state === "cancelled") return null;
  const planned = windowsActive + windowsCompleted + windowsFailed;
  return planned === 0 ? share : (share * windowsCompleted) / planned;
}
