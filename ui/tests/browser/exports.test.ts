import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import type { components } from "../../src/api/schema";
import { Bucket } from "./support/bucket";
import { at, launch, visit } from "./support/browser";
import { Server, VIEWER } from "./support/server";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser?.close());

const ERRORS = encodeURIComponent(JSON.stringify([{ type: "stringOptions", column: "level", operator: "any of", value: ["ERROR"] }]));

type Export = components["schemas"]["Export"];

/** Asks for what the page shows. */
async function exportShown(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Export", exact: true }).click();
  await page.getByRole("button", { name: /^Export [\d,]+ rows?$/ }).click();
}

/** Every row of the table, read by scrolling through it: what somebody sees who looks. */
async function everyRow(page: Page, columns: string[]): Promise<string[][]> {
  const seen = new Map<number, string[]>();
  const grid = page.getByRole("grid");
  const total = Number((await page.getByRole("status").getByText(/^[\d,]+ rows?$/).textContent())!.replace(/\D/g, ""));
  const look = async () => {
    const drawn = await page.locator(".grid-row").evaluateAll(
      (rows, names) =>
        rows.map((row) => ({
          index: Number(row.getAttribute("aria-rowindex")) - 2,
          cells: names.map((name) => row.querySelector(`[data-column="${name}"]`)?.textContent ?? ""),
        })),
      columns,
    );
    drawn.forEach(({ index, cells }) => seen.set(index, cells));
    let next = 0;
    while (seen.has(next)) next += 1;
    // On to the first row that was not seen yet; what is drawn there is read the next time.
    await grid.evaluate((grid, next) => grid.scrollTo(0, next * grid.querySelector(".grid-row")!.clientHeight), next);
    return next;
  };
  await expect.poll(look, { timeout: 60_000 }).toBe(total);
  return [...seen.entries()].sort(([a], [b]) => a - b).map(([, cells]) => cells);
}

describe("an export", () => {
  let server: Server;

  beforeAll(async () => {
    server = await Server.withRows(4_000);
  });

  afterAll(() => server?.close());

  it("of filtered rows, downloaded, is row for row what the table shows", async () => {
    const columns = ["id", "name", "type", "traceId"];
    const { page, complaints } = await visit(browser, server, at(`events?filter=${ERRORS}&columns=${columns.join(",")}`));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const form = page.getByRole("dialog", { name: "Export" });
    await form.getByRole("radio", { name: "JSONL" }).click();
    await form.getByRole("radio", { name: "Visible" }).click();
    await form.getByText(/^≤ [\d,]+ rows, about/).waitFor();
    await form.getByRole("button", { name: /^Export [\d,]+ rows$/ }).click();
    await page.getByRole("link", { name: "View export" }).click();
    const sheet = page.getByRole("complementary", { name: "Export" });
    await sheet.getByText("Completed", { exact: true }).waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), sheet.getByRole("button", { name: /^Download [\d.]+ k?B$/ }).click()]);
    const lines = readFileSync((await download.path())!, "utf8").trim().split("\n");
    const exported = lines.map((line) => JSON.parse(line) as Record<string, string>);
    await page.goto(server.url + at(`events?filter=${ERRORS}&columns=${columns.join(",")}`));
    await page.getByRole("grid").waitFor();
    const shown = await everyRow(page, columns);
    expect(shown.length).toBeGreaterThan(50);
    expect(exported.map((row) => columns.map((name) => row[name]))).toEqual(shown);
    expect(complaints).toEqual([]);
  });

  it("of selected rows holds those alone", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    for (const key of ["j", "x", "j", "x", "j", "x"]) await page.keyboard.press(key);
    await page.keyboard.press("e");
    await page.getByRole("checkbox", { name: "Only the 3 selected rows" }).waitFor();
    await page.getByRole("button", { name: "Export 3 rows" }).click();
    await page.getByRole("link", { name: "View export" }).click();
    await page.getByText(/^Completed: 3 rows/).waitFor();
  });

  it("can be asked for from a shell, with the command that is copied", async () => {
    const { page, context } = await visit(browser, server, at(`events?filter=${ERRORS}`));
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "Copy as CLI" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    expect(command).toContain(`--server ${server.url}`);
    const key = JSON.parse(await server.outgest("key", "add", "--project", "shop", "--role", "member")) as { secretKey: string };
    const told = await server.shell(command.replace("@key.txt", key.secretKey).replace(/^outgest/, '"$OUTGEST"'));
    expect(told).toMatch(/[0-9a-f-]{36}/);
    await page.goto(server.url + at("exports"));
    await page.getByRole("row", { name: /events · level any of ERROR/ }).first().waitFor();
  });

  it("is listed with what it was, run again, and deleted", async () => {
    const { page } = await visit(browser, server, at("scores"));
    await page.getByRole("grid").waitFor();
    await exportShown(page);
    await page.getByRole("link", { name: "View export" }).waitFor();
    await page.goto(server.url + at("exports"));
    const line = page.getByRole("row", { name: /scores · every row/ });
    await line.getByText("Completed").first().waitFor();
    await line.getByRole("link").first().click();
    const sheet = page.getByRole("complementary", { name: "Export" });
    await sheet.getByText("Asked by Ada Lovelace").waitFor();
    const first = page.url();
    await sheet.getByRole("button", { name: "Run again" }).click();
    await expect.poll(() => page.url()).not.toBe(first);
    await sheet.getByText("Completed", { exact: true }).waitFor();
    await sheet.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete export" }).click();
    await sheet.waitFor({ state: "hidden" });
    await expect.poll(() => line.count()).toBe(1);
  });

  it("was asked for as long ago as is said, also where no time was looked at meanwhile", async () => {
    await server.ask("exports", { table: "traces", format: "csv", name: "Some time ago" });
    const { page } = await visit(browser, server, "/icon.svg");
    await page.clock.install();
    await page.goto(server.url + at("exports"));
    const asked = page.getByRole("row", { name: "Some time ago" }).locator("time").first();
    expect(await asked.textContent()).toMatch(/^just now$|^\d+ s ago$|^[12] min ago$/);
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("heading", { level: 1, name: "Settings" }).waitFor();
    await page.clock.runFor(600_000);
    await page.getByRole("link", { name: "Exports" }).click();
    expect(await asked.textContent()).toMatch(/^1[0-3] min ago$/);
  });

  it("is downloaded out of the list by those who may, file by file where there are several", async () => {
    const { page } = await visit(browser, server, at("exports"));
    await page.waitForLoadState("networkidle");
    const ask = async (name: string, more: object) => server.ask<{ id: string }>("exports", { table: "events", format: "csv", name, ...more });
    await ask("In one file", {});
    const { id } = await ask("In several files", { rollBytes: 200_000 });
    const line = (name: string) => page.getByRole("row", { name });
    // Whoever asked, it appears by itself.
    await line("In several files").getByText("Completed").waitFor();
    const button = line("In one file").getByRole("button", { name: /^Download / });
    const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
    expect(readFileSync((await download.path())!, "utf8").trim().split("\n").length).toBeGreaterThan(4_000);
    await page.route("**/download", (route) => route.fulfill({ status: 410, contentType: "application/json", body: '{"detail":"the file is gone"}' }));
    await button.click();
    await page.getByRole("alert").getByText("the file is gone").waitFor();
    await line("In several files").getByRole("link", { name: /^\d+ files$/ }).click();
    await page.getByRole("button", { name: /^Download .*part|^Download .*csv/ }).nth(1).waitFor();
    expect(page.url()).toContain(id);
    const { page: other } = await visit(browser, server, at("exports"), { who: VIEWER });
    await other.getByRole("row", { name: "In one file" }).waitFor();
    expect(await other.getByRole("button", { name: /^Download / }).count()).toBe(0);
  });

  it("with options that cannot be honoured says which, before anything is written", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByLabel("Mask").fill("nonsense:hash");
    await page.getByRole("dialog", { name: "Export" }).getByText(/nonsense/).nth(1).waitFor();
  });

  it("with a limit that makes no sense is refused, and does not hold every row", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    const form = page.getByRole("dialog", { name: "Export" });
    await form.getByRole("button", { name: "More" }).click();
    const limit = form.getByLabel("Rows at most");
    for (const [entered, told] of [["0", "0 rows"], ["-5", "-5"]] as const) {
      await limit.fill(entered);
      await form.locator(".field-problem").getByText(told).waitFor();
      // Nor is it where it is out of sight.
      await form.getByRole("button", { name: "Less" }).click();
      const refused = page.waitForResponse((answer) => answer.url().endsWith("/exports") && answer.status() === 400);
      await form.locator("button[type=submit]").click();
      await refused;
      await form.locator(".field-problem").getByText(told).waitFor();
    }
    await limit.fill("5");
    await form.getByText(/^≤ 5 rows/).waitFor();
    await form.getByRole("button", { name: "Export 5 rows" }).click();
    await page.getByRole("link", { name: "View export" }).click();
    // The story says that there are more.
    await page.getByText(/^Completed: 5 rows/).waitFor();
    await page.getByRole("note").getByText("A limit cut rows: this is not everything that matches.").waitFor();
  });
});

describe("a source without comments", () => {
  it("is told of in the words that people know, and the export says so too", async () => {
    const note = "Note: Filters on Comments are not included in event exports. You may receive more data than expected.";
    const server = await Server.withRows(100, { settings: { OUTGEST_SOURCE_COMMENTS: "none" } });
    onTestFinished(() => server.close());
    const filter = encodeURIComponent(JSON.stringify([{ type: "number", column: "commentCount", operator: ">=", value: 1 }]));
    const { page } = await visit(browser, server, at("events"));
    const form = page.getByRole("dialog", { name: "Export" });
    const open = () => page.getByRole("button", { name: "Export", exact: true }).click();
    const isTold = async () => {
      await form.getByRole("note").getByText(note, { exact: true }).waitFor();
      expect(await form.getByText(note).count()).toBe(1);
      expect(await form.getByRole("alert").count()).toBe(0);
      await form.locator("button[type=submit]").click();
      await page.getByRole("link", { name: "View export" }).click();
      await page.getByText(/^Completed: 100 rows/).waitFor();
      await page.getByRole("note").getByText(note, { exact: true }).waitFor();
    };
    await page.goto(server.url + at(`events?filter=${filter}`));
    await open();
    await isTold();
    // As text too, whether it was typed, by either name, or came with a link.
    await page.goto(server.url + at("events"));
    await page.getByRole("button", { name: "Filter as text" }).click();
    await page.getByRole("textbox", { name: "Filter as text" }).fill('"Comment Count" >= 1');
    await page.keyboard.press("Enter");
    await open();
    await isTold();
    await page.goto(server.url + at(`events?where=${encodeURIComponent("commentContent contains 'x' and hasInput = true or type = 'SPAN'")}`));
    await open();
    await isTold();
    // A text that only holds the word leaves nothing out, and nothing is said.
    await page.goto(server.url + at(`events?where=${encodeURIComponent('name != "commentCount"')}`));
    await open();
    await form.getByText(/^≤ [\d,]+ rows?/).first().waitFor();
    await page.waitForLoadState("networkidle");
    expect(await form.getByText(note).count()).toBe(0);
  });
});

describe("an export that takes long", () => {
  const EVENTS = 15_000;
  let bucket: Bucket;
  let server: Server;

  beforeAll(async () => {
    bucket = await Bucket.open("slow");
    server = await Server.withRows(EVENTS, { settings: { OUTGEST_EXPORT_DESTINATION: bucket.address } });
  });

  afterAll(async () => {
    await server?.close();
    await bucket?.close();
  });

  it("tells its rate and what is left, and goes on doing so after its stream broke off", async () => {
    bucket.manner = "keeps";
    const release = bucket.hold();
    onTestFinished(release);
    const { id } = await server.ask<Export>("exports", { table: "events", format: "jsonl", columns: ["all"] });
    let early!: Export;
    const isMeasured = async () => {
      early = await server.ask<Export>(`exports/${id}`);
      return early.progress.share > 0 && early.progress.secondsLeft !== null;
    };
    await expect.poll(isMeasured, { timeout: 60_000 }).toBe(true);
    expect(early.progress.rows).toBeLessThan(EVENTS);
    const { page } = await visit(browser, server, "/icon.svg");
    let streams = 0;
    await page.route(`**/exports/${id}/events`, (route) => {
      streams += 1;
      // It tells once how far the export has come and breaks, then it cannot be had, and then it goes on.
      if (streams === 1) return route.fulfill({ contentType: "text/event-stream", body: `event: export\ndata: ${JSON.stringify(early)}\n\n` });
      return streams === 2 ? route.abort() : route.fallback();
    });
    let answer = () => {};
    const answers = new Promise<void>((done) => (answer = done));
    onTestFinished(answer);
    await page.route(`**/api/v1/**/exports/${id}`, async (route) => {
      if (streams > 0) await answers;
      await route.fallback();
    });
    await page.goto(server.url + at("exports", id));
    const sheet = page.getByRole("complementary", { name: "Export" });
    const bar = sheet.getByRole("progressbar");
    const broken = sheet.getByText("The live view was interrupted; it connects again by itself.");
    await broken.waitFor();
    const { share, rows, rowsPerSecond } = early.progress;
    expect(await bar.getAttribute("aria-valuenow")).toBe(String(Math.floor(share * 100)));
    const number = (value: number) => Math.round(value).toLocaleString("en-US");
    await sheet.getByText(`${Math.floor(share * 100)}%`, { exact: true }).waitFor();
    await sheet.getByText(new RegExp(`^${number(rowsPerSecond)} rows/s, [\\d.]+ k?M?B/s$`)).waitFor();
    await sheet.getByText(/^\d+ (s|min|h) left$/).waitFor();
    await sheet.getByText(new RegExp(`^${number(rows)} rows, `)).waitFor();
    answer();
    await expect.poll(() => streams).toBe(3);
    await broken.waitFor({ state: "hidden" });
    // The last parts wait: every row is on its way, and none of them is the end.
    const finish = bucket.hold();
    onTestFinished(finish);
    release();
    await sheet.getByText(new RegExp(`^${number(EVENTS)} rows, `)).waitFor();
    await sheet.getByText("Running", { exact: true }).waitFor();
    finish();
    await sheet.getByText("Completed", { exact: true }).waitFor();
    await sheet.getByText(new RegExp(`^Completed: ${number(EVENTS)} rows, `)).waitFor();
    expect(streams).toBe(3);
  });

  it("shows how far it has come, and stops when it is cancelled", async () => {
    bucket.manner = "slow";
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await exportShown(page);
    await page.getByRole("link", { name: "View export" }).click();
    const sheet = page.getByRole("complementary", { name: "Export" });
    await sheet.getByText("Running", { exact: true }).waitFor();
    const bar = sheet.getByRole("progressbar");
    await expect.poll(async () => Number(await bar.getAttribute("aria-valuenow")), { timeout: 20_000 }).toBeGreaterThan(0);
    await sheet.getByText(/rows\/s/).waitFor();
    const line = page.locator(".line").first();
    await line.getByRole("progressbar").waitFor();
    await line.getByText(/^\d+%$/).waitFor();
    await line.getByText(/rows\/s/).waitFor();
    await sheet.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Cancel export" }).click();
    await sheet.getByText("Cancelled", { exact: true }).waitFor();
    await sheet.getByText("Cancelled; no further byte was written").waitFor();
    await expect.poll(() => bucket.aborted, { timeout: 30_000 }).toBeGreaterThan(0);
    const parts = bucket.parts;
    await page.waitForTimeout(2_000);
    expect(bucket.parts).toBe(parts);
  });
});

describe("an export that fails", () => {
  it("tells which step, their words, and what can be changed", async () => {
    const bucket = await Bucket.open("refuses");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(100, { settings: { OUTGEST_EXPORT_DESTINATION: bucket.address } });
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await exportShown(page);
    await page.getByRole("link", { name: "View export" }).click();
    const sheet = page.getByRole("complementary", { name: "Export" });
    await sheet.getByText("Failed", { exact: true }).waitFor();
    const story = sheet.locator(".story-failure");
    await story.getByText("User outgest-test may not write here").waitFor();
    expect(await story.locator("p").count()).toBe(3);
    await sheet.getByText(/^Attempt 1 failed while /).waitFor();
    await sheet.getByRole("button", { name: "Retry" }).click();
    // The story keeps what failed before.
    await sheet.getByText(/^Attempt 2 failed while /).waitFor();
    await sheet.getByText(/^Attempt 1 failed while /).waitFor();
    expect(await story.count()).toBe(2);
  });
});
