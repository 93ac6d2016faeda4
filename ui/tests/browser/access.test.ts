import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { Bucket } from "./support/bucket";
import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

let browser: Browser;
let server: Server;

let keeps: Bucket;
let refuses: Bucket;
/** Pages that there is something on only when something was exported. */
let exported: [string, string, string[]][];

beforeAll(async () => {
  const settings = { OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" };
  [browser, server, keeps, refuses] = await Promise.all([
    launch(),
    Server.withRows(400, { recent: true, settings }),
    Bucket.open("keeps"),
    Bucket.open("refuses"),
  ]);
  exported = await pagesOfExports();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await keeps?.close();
  await refuses?.close();
});

/** Every page, and what opens on it. */
const PAGES: [string, string, string[]][] = [
  ["events", at("events"), []],
  ["an open row", at("events"), ["row", "Comments"]],
  ["a filter", at("events"), ["Filter"]],
  ["an export form", at("events"), ["Export", "More"]],
  ["columns", at("events"), ["Columns"]],
  ["a time range", at("events"), ["Time range: All time"]],
  ["no match", at("events?search=nothing-like-it"), []],
  ["a refused filter", at("events?where=nonsense"), []],
  ["traces", at("traces"), []],
  ["scores", at("scores"), []],
  ["sessions", at("sessions"), []],
  ["exports", at("exports"), []],
  ["integrations", at("integrations"), []],
  ["a new integration", at("integrations", "new"), ["More options"]],
  ["general settings", at("settings"), []],
  ["keys", at("settings", "keys"), ["Create key"]],
  ["members", at("settings", "members"), []],
  ["storage", at("settings", "storage"), []],
  ["the audit log", at("settings", "audit"), []],
  ["projects", "/projects", []],
  ["a page that is not there", at("nonsense"), []],
];

async function pagesOfExports(): Promise<[string, string, string[]][]> {
  const made = await server.ask<{ id: string }>("exports", { table: "events", format: "csv" });
  const ids: string[] = [];
  for (const [name, bucket] of [["To the lake", keeps], ["To a bucket that refuses", refuses]] as const) {
    const { id } = await server.ask<{ id: string }>("integrations", bucket.integration(name));
    await server.ask(`integrations/${id}/run`, {});
    const ended = async () => (await server.ask<{ items: { finishedAt: string | null }[] }>(`integrations/${id}/runs`)).items.some((run) => run.finishedAt);
    await vi.waitUntil(ended, { timeout: 60_000, interval: 200 });
    ids.push(id);
  }
  const [good, bad] = ids as [string, string];
  return [
    ["an export", at("exports", made.id), []],
    ["deleting an export", at("exports", made.id), ["Delete"]],
    ["integrations with one that failed", at("integrations"), []],
    ["an integration", at("integrations", good), []],
    ["a run", at("integrations", good), ["run"]],
    ["its backfills", at("integrations", good, "backfills"), []],
    ["its dead letters", at("integrations", good, "letters"), []],
    ["its settings", at("integrations", good, "settings"), []],
    ["its form", at("integrations", good, "edit"), []],
    ["an integration that failed", at("integrations", bad), []],
    ["a run that failed", at("integrations", bad), ["run"]],
  ];
}

for (const theme of ["light", "dark"] as const) {
  describe(`axe, ${theme}`, () => {
    it("finds nothing on any page", { timeout: 300_000 }, async () => {
      const { page } = await visit(browser, server, "/projects", { theme });
      for (const [name, path, clicks] of [...PAGES, ...exported]) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).or(page.getByRole("heading")).first().waitFor();
        if (/events|traces|scores|sessions/.test(path) && !path.includes("?")) await page.getByRole("grid").waitFor();
        for (const click of clicks) {
          if (click === "row") await page.locator(".grid-row").first().click();
          else if (click === "run") await page.locator(".line").last().getByRole("button").first().click();
          else if (click === "Comments") await page.getByRole("tab", { name: click }).click();
          else await page.getByRole("button", { name: click, exact: true }).click();
        }
        await page.waitForTimeout(150);
        expect(await accessibilityProblems(page), name).toEqual([]);
      }
    });

    it("finds nothing on narrow screens, and nothing is wider than they are", async () => {
      const { page } = await visit(browser, server, at("events"), { theme, width: 390 });
      const made = await server.ask<{ id: string }>("exports", { table: "events", format: "csv", name: "x".repeat(120) });
      for (const path of [at("events"), at("exports"), at("exports", made.id), at("integrations", "new"), at("settings", "members"), at("settings", "audit")]) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForTimeout(300);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
        // Nor does a sheet hide what is wider than it.
        const sheet = page.locator(".sheet-body");
        if ((await sheet.count()) > 0) expect(await sheet.evaluate((body) => body.scrollWidth - body.clientWidth), path).toBeLessThanOrEqual(0);
        expect(await accessibilityProblems(page), path).toEqual([]);
      }
      await page.getByRole("button", { name: "Open menu" }).click();
      await page.getByRole("link", { name: "Exports" }).click();
      await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    });

    it("finds nothing where people sign in", async () => {
      const { page } = await visit(browser, server, at("events"), { theme, who: null });
      await page.getByRole("heading", { name: "Sign in to Outgest" }).waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.goto(`${server.url}/invitation#token`);
      await page.getByRole("heading", { name: "Make your account" }).waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
    });
  });
}
