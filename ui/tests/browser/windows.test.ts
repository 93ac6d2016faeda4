import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import type { components } from "../../src/api/schema";
import { Bucket } from "./support/bucket";
import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

type Schemas = components["schemas"];

const HOUR = 3_600_000;

/** The last full hour when the tests began. */
const NOW = Date.now();
const LAST = Math.floor(NOW / HOUR) * HOUR;

/** So that no window ends while it is looked at. */
const LAG_SECONDS = NOW - LAST > 0.75 * HOUR ? 1_800 : 0;

/** Hours before the last full one that there are rows in, and how many in each. */
const HOURS = 8;
const ROWS = 6;

const PATIENCE = { timeout: 60_000 };

let browser: Browser;
let server: Server;

beforeAll(async () => {
  const rows = Array.from({ length: HOURS * ROWS }, (_, row) => ({
    id: `row-${row}`,
    traceId: `trace-${row}`,
    name: "answer",
    type: "SPAN",
    startTime: hour(Math.floor(row / ROWS) - HOURS, row % ROWS),
  }));
  [browser, server] = await Promise.all([launch(), Server.withRows(0, { import: rows, settings: { OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" } })]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** So many hours from the last full one, and minutes more. */
function hour(hours: number, minutes = 0): string {
  return new Date(LAST + hours * HOUR + minutes * 60_000).toISOString();
}

/** An integration of its own bucket whose first window begins then; `null` begins now. */
async function integration(name: string, first: number | null): Promise<{ id: string; bucket: Bucket }> {
  const bucket = await Bucket.open("keeps");
  onTestFinished(() => bucket.close());
  const start = first === null ? { from: "now" } : { from: "date", at: hour(first) };
  const asked = { ...bucket.integration(name), tables: [{ table: "events" }], cursor: "start_time", lagSeconds: LAG_SECONDS, start };
  const { id } = await server.ask<Schemas["Integration"]>("integrations", asked);
  return { id, bucket };
}

async function runsOf(id: string): Promise<Schemas["WindowRun"][]> {
  return (await server.ask<{ items: Schemas["WindowRun"][] }>(`integrations/${id}/runs?limit=100`)).items;
}

/** Exports one window by hand, and waits until that has come to this end. */
async function again(id: string, first: number, end: Schemas["WindowRunState"]): Promise<void> {
  const asked = await server.ask<Schemas["Backfill"]>(`integrations/${id}/backfills`, { from: hour(first), to: hour(first + 1) });
  const states = async () => (await runsOf(id)).filter((run) => run.backfill === asked.id).map((run) => run.state);
  await expect.poll(states, PATIENCE).toEqual([end]);
}

/** The hour that the window of a run begins with. */
function hourOf(run: Schemas["WindowRun"]): number {
  return (Date.parse(run.from) - LAST) / HOUR;
}

describe("the coverage strip", () => {
  interface Shown {
    state: string | null;
    label: string[];
    signed: boolean;
    opens: boolean;
  }

  function cellsOf(page: Page): Promise<Shown[]> {
    return page.locator(".coverage > button").evaluateAll((all) =>
      all.map((cell) => ({
        state: cell.getAttribute("data-state-is"),
        label: cell.getAttribute("aria-label")!.split("\n"),
        signed: cell.querySelector("svg") !== null,
        opens: cell.getAttribute("aria-disabled") === null,
      })),
    );
  }

  it("shows of every window what became of it, in words, signs and colours", async () => {
    const { id, bucket } = await integration("Lake", -3);
    await expect.poll(async () => (await runsOf(id)).map((run) => run.state), PATIENCE).toEqual(["completed", "completed", "completed"]);
    await again(id, -6, "completed");
    await again(id, -3, "completed");
    bucket.manner = "refuses";
    await again(id, -2, "failed");
    // Windows are compared with the source a day later: the answer says of the last one that it was, and that nothing is missing.
    const { page, complaints } = await visit(browser, server, "/icon.svg");
    await page.route(`**/integrations/${id}/runs?*`, async (route) => {
      const response = await route.fetch();
      const runs = (await response.json()) as { items: Schemas["WindowRun"][]; next: string | null };
      const foundLater: Schemas["FoundLater"] = { at: hour(0), missingRows: 0, supersededRows: 0, revision: null, failure: null };
      const items = runs.items.map((run) => (hourOf(run) === -1 ? { ...run, foundLater } : run));
      await route.fulfill({ response, json: { ...runs, items } });
    });
    await page.goto(server.url + at("integrations", id));
    await page.locator(".coverage > button").first().waitFor();
    const clock = (hours: number) => hour(hours).slice(11, 16);
    const cell = (from: number, to: number, state: string, words: string, signed: boolean, opens: boolean) => ({
      state,
      label: [expect.stringMatching(new RegExp(`${clock(from)} – .*${clock(to)}$`)), words],
      signed,
      opens,
    });
    await expect.poll(() => cellsOf(page)).toEqual([
      cell(-6, -5, "exported", "exported", false, true),
      cell(-5, -3, "missing", "missing: never planned", false, false),
      cell(-3, -2, "reexported", "exported again", true, true),
      cell(-2, -1, "failed", "failed", true, true),
      cell(-1, 0, "verified", "verified", true, true),
    ]);
    expect(await page.locator(".legend").getByRole("listitem").allTextContents()).toEqual([
      "1 exported",
      "1 verified",
      "1 exported again",
      "1 failed",
      "missing: never planned",
    ]);
    // No two states look alike.
    const grounds = await page.locator(".coverage > button").evaluateAll((all) => all.map((cell) => `${getComputedStyle(cell).background} ${cell.querySelector("svg")?.innerHTML ?? ""}`));
    expect(new Set(grounds).size).toBe(grounds.length);
    expect(await accessibilityProblems(page)).toEqual([]);
    // Each leads to the run that it tells of.
    const sheet = page.getByRole("complementary", { name: "Run of a window" });
    const opens = async (name: RegExp, shows: string | RegExp) => {
      await page.getByRole("toolbar", { name: "Coverage" }).getByRole("button", { name }).click();
      await sheet.getByText(shows).first().waitFor();
      await sheet.getByRole("button", { name: "Close" }).click();
      await sheet.waitFor({ state: "hidden" });
    };
    await opens(/failed$/, "User outgest-test may not write here.");
    await opens(/exported again$/, "revision 2");
    await opens(/verified$/, /^Compared with the source: 0 missing/);
    await page.getByRole("toolbar", { name: "Coverage" }).getByRole("button", { name: /missing/ }).press("Enter");
    expect(await sheet.count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});

describe("a backfill", () => {
  it("is estimated, and its bar moves on window by window until it is done", async () => {
    const { id, bucket } = await integration("Lake again", null);
    const { page, complaints } = await visit(browser, server, at("integrations", id, "backfills"));
    const range = { from: hour(-6), to: hour(-3) };
    const bounds = await server.ask<Schemas["Estimate"]>(`integrations/${id}/backfills/estimate`, range);
    expect(bounds.rowsMax).toBeGreaterThanOrEqual(3 * ROWS);
    await page.getByLabel("From").fill(range.from.slice(0, 16));
    await page.getByLabel("To, not included").fill(range.to.slice(0, 16));
    await page.getByText(new RegExp(`^≤ ${bounds.rowsMax.toLocaleString("en-US")} rows, about [\\d.]+ k?B$`)).waitFor();
    await page.getByLabel("Windows at the same time").fill("1");
    const releases = [bucket.hold()];
    await page.getByRole("button", { name: "Begin backfill" }).click();
    const line = page.getByRole("listitem").filter({ hasText: /\d+ done/ });
    const bar = line.getByRole("progressbar", { name: "Progress of the backfill" });
    for (const [done, share] of [0, 33, 66].entries()) {
      await line.getByText(`${share}% · ${done} done, 1 under way`, { exact: true }).waitFor();
      expect(await bar.getAttribute("aria-valuenow")).toBe(String(share));
      // The next window waits as this one did.
      await expect.poll(() => bucket.parts).toBe(done + 1);
      if (done < 2) releases.push(bucket.hold());
      releases.shift()!();
    }
    await line.getByText("Completed", { exact: true }).waitFor();
    await line.getByText("100% · 3 done, 0 under way", { exact: true }).waitFor();
    expect(await bar.count()).toBe(0);
    const runs = (await runsOf(id)).filter((run) => run.backfill !== null);
    expect(runs.map((run) => [hourOf(run), run.result!.rows]).reverse()).toEqual([-6, -5, -4].map((hours) => [hours, ROWS]));
    expect([...bucket.objects.keys()].filter((key) => key.endsWith(".parquet")).length).toBe(3);
    expect(complaints).toEqual([]);
  });
});
