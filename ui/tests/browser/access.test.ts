import type { Browser, Locator, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

import { Bucket } from "./support/bucket";
import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { OWNER, Server } from "./support/server";

let browser: Browser;
let server: Server;

let keeps: Bucket;
let refuses: Bucket;
/** Pages that there is something on only when something was exported. */
let exported: [string, string, string[]][];
/** Integrations that have run: one well, one not. */
let integrations: string[];

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
  ["observations", at("observations"), []],
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

/** What a call may come to. */
const ENDS = {
  fails: (route: Route) => route.fulfill({ status: 409, json: { status: 409, code: "conflict", detail: "the store is being moved", hint: "try again in a minute" } }),
  refused: (route: Route) => route.fulfill({ status: 403, json: { status: 403, code: "forbidden", detail: "this needs the role owner" } }),
  lost: (route: Route) => route.abort(),
};

/** What is shown in the place of what could not be loaded: page, the calls that come to nothing, how, and what it says. */
const FACES: [string, string, keyof typeof ENDS, string][] = [
  [at("events"), "session", "lost", "The server cannot be reached"],
  [at("events"), "catalog", "fails", "This could not be loaded"],
  [at("events"), "**/rows/search", "fails", "This could not be loaded"],
  [at("observations"), "**/rows/search", "lost", "The server cannot be reached"],
  [at("events?row=bm9uc2Vuc2U"), "none", "fails", "There is no such row"],
  [at("exports"), "**/exports?*", "refused", "You may not see this"],
  [at("exports", "none"), "none", "fails", "There is no such export"],
  [at("integrations"), "**/integrations?*", "fails", "This could not be loaded"],
  [at("integrations", "new"), "integration-kinds", "fails", "This could not be loaded"],
  [at("integrations", "none"), "none", "fails", "There is no such page"],
  [at("settings", "audit"), "**/audit", "fails", "This could not be loaded"],
  ["/projects/nobodys/events", "none", "fails", "You may not see this"],
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
  integrations = ids;
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

describe("on a narrow screen", () => {
  const BEHIND = ".tools, .chips, .grid, .page-foot, .page-head .actions, .page-body";

  /** Where Tab leads, so many times. */
  async function stops(page: Page, times: number): Promise<(string | null)[]> {
    const seen: (string | null)[] = [];
    for (let time = 0; time < times; time += 1) {
      await page.keyboard.press("Tab");
      seen.push(await page.evaluate(() => document.activeElement?.closest(".sheet, .rail, .bar, .main, .skip")?.classList[0] ?? null));
    }
    return [...new Set(seen)];
  }

  it("a sheet takes the focus, keeps what it covers out of reach, and gives the focus back", async () => {
    const { page } = await visit(browser, server, at("events"), { width: 390 });
    const grid = page.getByRole("grid");
    await grid.waitFor();
    await page.locator(".grid-row").nth(2).click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.getByRole("tab").first().waitFor();
    const has = (what: Locator) => what.evaluate((element) => document.activeElement === element);
    expect(await has(sheet)).toBe(true);
    expect(await page.locator(BEHIND).evaluateAll((all) => all.map((one) => getComputedStyle(one).visibility))).not.toContain("visible");
    expect(await grid.count()).toBe(0);
    expect(await stops(page, 30)).not.toContain("main");
    await sheet.focus();
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    expect(await has(grid)).toBe(true);
    // Who came by a link goes on on the page.
    await page.locator(".grid-row").nth(2).click();
    await page.reload();
    await sheet.getByRole("tab").first().waitFor();
    await page.waitForLoadState("networkidle");
    expect(await stops(page, 30)).not.toContain("main");
    await sheet.getByRole("button", { name: "Close" }).click();
    await sheet.waitFor({ state: "hidden" });
    expect(await has(page.locator("#main"))).toBe(true);
    // So does the sheet of an export, and that of a run.
    await page.goto(server.url + at("exports"));
    const link = page.locator(".line").first().getByRole("link").first();
    await link.press("Enter");
    const story = page.getByRole("complementary", { name: "Export" });
    await story.locator(".story").waitFor();
    expect(await has(story)).toBe(true);
    expect(await stops(page, 20)).not.toContain("main");
    await story.focus();
    await page.keyboard.press("Escape");
    await story.waitFor({ state: "hidden" });
    expect(await has(link)).toBe(true);
    await page.goto(server.url + at("integrations", integrations[0]!));
    const run = page.locator(".line").last().getByRole("button").first();
    await run.press("Enter");
    const told = page.getByRole("complementary", { name: "Run of a window" });
    await told.waitFor();
    expect(await has(told)).toBe(true);
    expect(await stops(page, 20)).not.toContain("main");
    await told.focus();
    await page.keyboard.press("Escape");
    expect(await has(run)).toBe(true);
  });

  it("the menu takes the focus, keeps the page out of reach, and gives the focus back", async () => {
    const { page } = await visit(browser, server, at("events"), { width: 390 });
    await page.getByRole("grid").waitFor();
    const opener = page.getByRole("button", { name: "Open menu" });
    const inside = () => page.evaluate(() => document.activeElement?.closest(".rail") !== null);
    expect(await stops(page, 30)).not.toContain("rail");
    await opener.press("Enter");
    expect(await inside()).toBe(true);
    expect(await accessibilityProblems(page)).toEqual([]);
    const reached = await stops(page, 25);
    expect(reached).toContain("rail");
    expect(reached.filter((place) => place === "bar" || place === "main")).toEqual([]);
    await page.getByRole("link", { name: "Events" }).focus();
    await page.keyboard.press("Escape");
    expect(await opener.evaluate((button) => document.activeElement === button)).toBe(true);
    await opener.press("Enter");
    await page.getByRole("button", { name: "Close menu" }).press("Enter");
    expect(await opener.evaluate((button) => document.activeElement === button)).toBe(true);
    // Where it leads to another page, that has the focus.
    await opener.press("Enter");
    await page.getByRole("link", { name: "Exports" }).press("Enter");
    await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    expect(await page.locator("#main").evaluate((main) => document.activeElement === main)).toBe(true);
    // A page that becomes wide meanwhile is not out of reach.
    await opener.press("Enter");
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).waitFor();
  });
});

for (const theme of ["light", "dark"] as const) {
  describe(`axe, ${theme}`, () => {
    it("finds nothing on any page", { timeout: 300_000 }, async () => {
      const { page } = await visit(browser, server, "/projects", { theme });
      for (const [name, path, clicks] of [...PAGES, ...exported]) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).or(page.getByRole("heading")).first().waitFor();
        if (/events|traces|observations|scores|sessions/.test(path) && !path.includes("?")) await page.getByRole("grid").waitFor();
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
      const [good, bad] = integrations as [string, string];
      const paths: [string, string?][] = [
        [at("events")],
        [at("events"), "row"],
        [at("events"), "Raw"],
        [at("exports")],
        [at("exports", made.id)],
        [at("integrations")],
        [at("integrations", "new")],
        [at("integrations", good)],
        [at("integrations", good), "run"],
        [at("integrations", bad), "run"],
        [at("integrations", good, "settings")],
        [at("settings", "keys")],
        [at("settings", "members")],
        [at("settings", "audit")],
      ];
      for (const [path, open] of paths) {
        await page.goto(server.url + path);
        if (open === "row" || open === "Raw") await page.locator(".grid-row").first().click();
        else if (open === "run") await page.locator(".line").last().getByRole("button").first().click();
        else if (!path.includes(made.id)) await page.getByRole("heading", { level: 1 }).waitFor();
        if (open === "Raw") await page.getByRole("tab", { name: "Raw" }).click();
        const sheet = page.locator(".sheet-body").filter({ visible: true });
        if (open || path.includes(made.id)) await sheet.waitFor();
        await page.waitForTimeout(300);
        expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(390);
        // Nor does a sheet hide what is wider than it.
        if ((await sheet.count()) > 0) expect(await sheet.evaluate((body) => body.scrollWidth - body.clientWidth), path).toBeLessThanOrEqual(0);
        expect(await accessibilityProblems(page), path).toEqual([]);
      }
      await page.getByRole("button", { name: "Open menu" }).click();
      await page.getByRole("link", { name: "Exports" }).click();
      await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    });

    it("finds nothing where something could not be loaded", async () => {
      const { page } = await visit(browser, server, "/icon.svg", { theme });
      for (const [path, calls, how, title] of FACES) {
        await page.route(`**/api/v1/${calls}`, ENDS[how]);
        await page.goto(server.url + path);
        await page.locator(".face").getByRole("heading", { name: title }).waitFor();
        expect(await accessibilityProblems(page), `${path}: ${title}`).toEqual([]);
        await page.unroute(`**/api/v1/${calls}`);
      }
      // Nor where rows stay that could not be asked for again.
      await page.goto(server.url + at("events"));
      await page.getByRole("grid").waitFor();
      await page.route("**/rows/search", ENDS.fails);
      await page.getByRole("button", { name: "Refresh" }).click();
      await page.locator(".page-foot").getByText(/could not be loaded: the store is being moved/).waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
    });

    it("finds nothing where a session has ended", async () => {
      const { page, context } = await visit(browser, server, "/icon.svg", { theme });
      const again = page.getByRole("dialog", { name: "Sign in to Outgest" });
      const ends = async (path: string, loaded: Locator, act: string) => {
        await page.goto(server.url + path);
        // Whoever asks again for what is on its way asks for nothing.
        await loaded.waitFor();
        const button = page.getByRole("button", { name: act, exact: true });
        await button.waitFor();
        await context.clearCookies();
        await button.click();
        await again.getByText("Your session has ended").waitFor();
        expect(await accessibilityProblems(page), path).toEqual([]);
      };
      await ends(at("events"), page.getByRole("grid"), "Refresh");
      await page.getByLabel("E-mail address").fill(OWNER.email);
      await page.getByLabel("Password").fill("something else");
      await again.getByRole("button", { name: "Sign in" }).click();
      await again.getByRole("alert").getByText("address or password are wrong").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.getByLabel("Password").fill(OWNER.password);
      await again.getByRole("button", { name: "Sign in" }).click();
      await again.waitFor({ state: "detached" });
      await ends(at("settings"), page.locator("main"), "Save");
      // Nor where the page is loaded anew.
      await page.reload();
      await page.locator("main").getByText("Your session has ended").waitFor();
      expect(await again.count()).toBe(0);
      expect(await accessibilityProblems(page)).toEqual([]);
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
