import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(400)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
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

for (const theme of ["light", "dark"] as const) {
  describe(`axe, ${theme}`, () => {
    it("finds nothing on any page", { timeout: 300_000 }, async () => {
      const { page } = await visit(browser, server, "/projects", { theme });
      for (const [name, path, clicks] of PAGES) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).or(page.getByRole("heading")).first().waitFor();
        if (/events|traces|scores|sessions/.test(path) && !path.includes("?")) await page.getByRole("grid").waitFor();
        for (const click of clicks) {
          if (click === "row") await page.locator(".grid-row").first().click();
          else if (click === "Comments") await page.getByRole("tab", { name: click }).click();
          else await page.getByRole("button", { name: click, exact: true }).click();
        }
        await page.waitForTimeout(150);
        expect(await accessibilityProblems(page), name).toEqual([]);
      }
    });

    it("finds nothing on narrow screens, and nothing is wider than they are", async () => {
      const { page } = await visit(browser, server, at("events"), { theme, width: 390 });
      for (const path of [at("events"), at("exports"), at("settings", "members")]) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForTimeout(300);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
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
