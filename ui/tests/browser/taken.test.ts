import { createHash } from "node:crypto";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { bytesOf, plainOf, rowsOfCsv, rowsOfParquet, type FileRow } from "./support/files";
import { Server } from "./support/server";

let browser: Browser;
let server: Server;

/** What a spreadsheet would run. */
const FORMULA = '=HYPERLINK("https://evil.example/","x")';

const NAMES = [FORMULA, "a plain one", 'with "quotes", commas\nand a line', "+49 30", "ünïcödé 漢字", "@everyone", "-1", "0"];

beforeAll(async () => {
  const rows = Array.from({ length: 240 }, (_, row) => ({
    id: `row-${row}`,
    traceId: `trace-${row % 7}`,
    name: NAMES[row % NAMES.length],
    type: row % 2 === 0 ? "GENERATION" : "SPAN",
    level: row % 3 === 0 ? "ERROR" : "DEFAULT",
    startTime: new Date(Date.UTC(2026, 5, 30, 12) + row * 1_000).toISOString(),
    userId: `user-${row % 5}`,
    input: "a question",
  }));
  [browser, server] = await Promise.all([launch(), Server.withRows(0, { import: rows })]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const ERRORS = encodeURIComponent(JSON.stringify([{ type: "stringOptions", column: "level", operator: "any of", value: ["ERROR"] }]));
const COLUMNS = ["id", "traceId", "name", "userId"];

interface Listed {
  rows: { cells: FileRow }[];
  next: string | null;
}

/** The rows that the page shows, as the API tells them. */
async function rowsShown(columns: string[]): Promise<FileRow[]> {
  const filter = JSON.parse(decodeURIComponent(ERRORS)) as object[];
  const { rows, next } = await server.ask<Listed>("tables/events/rows/search", { filter, columns, limit: 200 });
  expect([rows.length, next]).toEqual([80, null]);
  return rows.map(({ cells }) => Object.fromEntries(columns.map((name) => [name, cells[name]])));
}

/** Opens the popover on rows with errors. */
async function openForm(page: Page): Promise<Locator> {
  await page.getByRole("grid").waitFor();
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const form = page.getByRole("dialog", { name: "Export" });
  await form.getByText(/^≤ [\d,]+ rows, about/).waitFor();
  return form;
}

/** Asks for what the popover says, and gives the file's name and bytes. */
async function taken(page: Page, form: Locator): Promise<[string, Buffer]> {
  await form.getByRole("button", { name: "Export 80 rows" }).click();
  await page.getByRole("link", { name: "View export" }).click();
  const sheet = page.getByRole("complementary", { name: "Export" });
  await sheet.getByText("Completed", { exact: true }).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), sheet.getByRole("button", { name: /^Download [\d.]+ k?B$/ }).click()]);
  return [download.suggestedFilename(), await bytesOf(download)];
}

const path = at(`events?filter=${ERRORS}&columns=${COLUMNS.join(",")}`);

describe("what is taken away", () => {
  for (const [compression, ending] of [["none", ".csv"], ["gzip", ".csv.gz"]] as const) {
    it(`as CSV with compression ${compression} is row for row what is shown`, async () => {
      const { page, complaints } = await visit(browser, server, path);
      const form = await openForm(page);
      await form.getByRole("radio", { name: "CSV" }).click();
      await form.getByRole("radio", { name: compression, exact: true }).click();
      await form.getByRole("radio", { name: "Visible" }).click();
      const [name, bytes] = await taken(page, form);
      expect(name.endsWith(ending), name).toBe(true);
      const rows = rowsOfCsv(plainOf(bytes, name).toString());
      expect(Object.keys(rows[0]!)).toEqual(COLUMNS);
      expect(rows).toEqual(await rowsShown(COLUMNS));
      expect(complaints).toEqual([]);
    });
  }

  it("as CSV for a spreadsheet runs nothing there, and is the same besides", async () => {
    const { page } = await visit(browser, server, path);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "CSV" }).click();
    await form.getByRole("radio", { name: "Visible" }).click();
    await form.getByRole("button", { name: "More" }).click();
    await form.getByRole("checkbox", { name: "Neutralise formulas" }).click();
    const [, bytes] = await taken(page, form);
    const neutral = (cell: unknown) => (/^[=+\-@]/.test(String(cell)) ? `'${cell as string}` : cell);
    const expected = (await rowsShown(COLUMNS)).map((row) => ({ ...row, name: neutral(row["name"]) }));
    const rows = rowsOfCsv(bytes.toString());
    expect(rows).toEqual(expected);
    expect(rows.filter((row) => row["name"] === `'${FORMULA}`).length).toBe(10);
  });

  it("with masks has none of what they hide, and is the same besides", async () => {
    const { page } = await visit(browser, server, path);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "CSV" }).click();
    await form.getByRole("radio", { name: "Visible" }).click();
    await form.getByRole("button", { name: "More" }).click();
    await form.getByLabel("Mask").fill("userId:hash\ntraceId:redact\nname:/plain/'hidden'/");
    const [, bytes] = await taken(page, form);
    const text = bytes.toString();
    const shown = await rowsShown(COLUMNS);
    const rows = rowsOfCsv(text);
    expect(Object.keys(rows[0]!)).toEqual(COLUMNS);
    const replaced = (name: unknown) => String(name).replaceAll("plain", "'hidden'");
    expect(rows.map(({ id, name }) => ({ id, name }))).toEqual(shown.map(({ id, name }) => ({ id, name: replaced(name) })));
    expect(rows.filter(({ name }) => name === "a 'hidden' one").length).toBe(10);
    expect(text).not.toMatch(/user-\d|trace-\d|plain/);
    expect(new Set(rows.map((row) => row["traceId"])).size).toBe(1);
    // Whoever is the same stays the same.
    const people = new Map(rows.map((row, at) => [shown[at]!["userId"], row["userId"]]));
    expect([people.size, new Set(people.values()).size]).toEqual([5, 5]);
    expect(rows.map((row) => row["userId"])).toEqual(shown.map((row) => people.get(row["userId"])));
  });

  it("as compressed JSON has the columns of the groups that were chosen, and no others", async () => {
    const catalog = await server.ask<{ tables: { name: string; columns: { name: string; group: string }[] }[] }>("../../catalog");
    const events = catalog.tables.find(({ name }) => name === "events")!;
    const columns = events.columns.filter(({ group }) => ["core", "io"].includes(group)).map(({ name }) => name);
    const { page } = await visit(browser, server, path);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "JSON", exact: true }).click();
    await form.getByRole("radio", { name: "zstd" }).click();
    await form.getByRole("radio", { name: "Groups" }).click();
    // Nothing is chosen yet, which nothing can be exported of.
    expect(await form.locator("button[type=submit]").isDisabled()).toBe(true);
    await form.getByRole("checkbox", { name: /^core / }).click();
    await form.getByRole("checkbox", { name: /^io / }).click();
    const [name, bytes] = await taken(page, form);
    expect(name.endsWith(".json.zst"), name).toBe(true);
    const rows = JSON.parse(plainOf(bytes, name).toString()) as FileRow[];
    expect(Object.keys(rows[0]!).sort()).toEqual([...columns].sort());
    const ids = ["id", "traceId", "input"];
    expect(rows.map((row) => Object.fromEntries(ids.map((id) => [id, row[id]])))).toEqual(await rowsShown(ids));
  });

  it("as Parquet is row for row what is shown, for any reader", async () => {
    const { page } = await visit(browser, server, path);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "Parquet" }).click();
    await form.getByText("Parquet compresses inside.").waitFor();
    await form.getByRole("radio", { name: "Visible" }).click();
    const [name, bytes] = await taken(page, form);
    expect(name.endsWith(".parquet"), name).toBe(true);
    const rows = await rowsOfParquet(bytes);
    expect(Object.keys(rows[0]!)).toEqual(COLUMNS);
    expect(rows).toEqual(await rowsShown(COLUMNS));
  });

  it("is asked for alike by the popover, by the command and by curl, which are copied", async () => {
    const { page, context } = await visit(browser, server, path);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "CSV" }).click();
    await form.getByRole("radio", { name: "gzip" }).click();
    await form.getByRole("radio", { name: "Visible" }).click();
    await form.getByRole("button", { name: "More" }).click();
    await form.getByRole("checkbox", { name: "Neutralise formulas" }).click();
    await form.getByLabel("Mask").fill("userId:hash\nname:/evil/'good'/");
    await form.getByLabel("Rows at most").fill("70");
    const copied = async (button: string) => {
      await form.getByRole("button", { name: button }).click();
      await form.getByRole("button", { name: "Copied" }).waitFor();
      await form.getByRole("button", { name: button }).waitFor();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    const [command, curl] = [await copied("Copy as CLI"), await copied("Copy as curl")];
    await form.getByRole("button", { name: "Export 70 rows" }).click();
    await page.getByRole("link", { name: "View export" }).waitFor();
    const { secretKey } = JSON.parse(await server.outgest("key", "add", "--project", "shop", "--role", "member")) as { secretKey: string };
    await server.shell(command.replace("@key.txt", secretKey).replace(/^outgest/, '"$OUTGEST"'));
    const told = JSON.parse(await server.shell(`OUTGEST_KEY=${secretKey}; ${curl} --silent`)) as { id: string };
    const { items } = await server.ask<{ items: { id: string; request: object }[] }>("exports?limit=3");
    expect(items[0]!.id).toBe(told.id);
    const [byCurl, byCommand, byForm] = items.map(({ request }) => request);
    expect(byCommand).toEqual(byForm);
    expect(byCurl).toEqual(byForm);
  });

  it("has commands that are copied where nothing is served over TLS, too, and says where they are not", async () => {
    const { page, context } = await visit(browser, server, "/icon.svg");
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.addInitScript(() => Object.defineProperty(window, "isSecureContext", { get: () => false }));
    await page.goto(server.url + path);
    const form = await openForm(page);
    await form.getByRole("button", { name: "Copy as CLI" }).click();
    const copied = form.getByRole("button", { name: "Copied" });
    expect(await copied.evaluate((button) => document.activeElement === button)).toBe(true);
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(`--server ${server.url}`);
    expect(await page.locator("textarea").count()).toBe(0);
    await page.evaluate(() => (document.execCommand = () => false));
    await form.getByRole("button", { name: "Copy as curl" }).click();
    await form.getByRole("button", { name: "Could not copy" }).waitFor();
    await form.getByRole("button", { name: "Copy as curl" }).waitFor();
  });

  it("has a receipt: rows, bytes, what was read, and the checksum of the very file", async () => {
    const bounds = { since: "2026-06-30T12:00:00.000Z", until: "2026-06-30T13:00:00.000Z" };
    const { page, context } = await visit(browser, server, `${path}&since=${bounds.since}&until=${bounds.until}`);
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const form = await openForm(page);
    await form.getByRole("radio", { name: "Visible" }).click();
    const [name, bytes] = await taken(page, form);
    const checksum = createHash("sha256").update(bytes).digest("hex");
    const receipt = page.getByRole("region", { name: "Receipt" });
    await receipt.getByRole("heading", { level: 2, name: "Receipt" }).waitFor();
    const facts = async () => {
      const texts = (of: string) => receipt.locator(`.facts ${of}`).allTextContents();
      const [names, values] = [await texts("dt"), await texts("dd")];
      return Object.fromEntries(names.map((name, at) => [name, values[at]]));
    };
    const told = {
      Rows: "80",
      Size: `${bytes.length.toLocaleString("en-US")} bytes`,
      From: "2026-06-30 12:00:00.000",
      "To, not included": "2026-06-30 13:00:00.000",
      "Held against": "when the row started",
      Columns: "4",
      "Cut by a limit": "no",
    };
    expect(await facts()).toEqual(told);
    const file = receipt.getByRole("listitem");
    expect(await file.count()).toBe(1);
    await file.getByText(name, { exact: true }).waitFor();
    await file.getByText("80 rows, SHA-256", { exact: true }).waitFor();
    expect(await file.getByRole("group", { name: "SHA-256 of the file" }).textContent()).toBe(checksum);
    await file.getByRole("button", { name: "Copy" }).click();
    await file.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(checksum);
    expect(await accessibilityProblems(page)).toEqual([]);
    // It stays when the file is gone.
    await page.route(/\/api\/v1\/.*\/exports\/[^/?]+$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...((await response.json()) as object), state: "expired" } });
    });
    await page.reload();
    await page.getByText("Expired", { exact: true }).first().waitFor();
    expect(await facts()).toEqual(told);
    expect(await file.getByRole("group", { name: "SHA-256 of the file" }).textContent()).toBe(checksum);
    expect(await page.getByRole("complementary", { name: "Export" }).getByRole("button", { name: /^Download/ }).count()).toBe(0);
    await page.unroute(/\/api\/v1\/.*\/exports\/[^/?]+$/);
    // What a limit cut is said to be.
    const { id } = await server.ask<{ id: string }>("exports", { table: "events", format: "csv", columns: ["id", "scores"], limit: 10 });
    await page.goto(server.url + at("exports", id));
    await receipt.waitFor();
    expect(await facts()).toMatchObject({ Rows: "10", From: "no bound", Columns: "1, and one per score name", "Cut by a limit": "yes" });
  });

  it("ends its story with the downloads", async () => {
    const { page } = await visit(browser, server, path);
    const form = await openForm(page);
    await taken(page, form);
    const story = page.locator(".story");
    await story.getByText("Downloaded", { exact: true }).waitFor();
    const button = page.getByRole("complementary", { name: "Export" }).getByRole("button", { name: /^Download [\d.]+ k?B$/ });
    await Promise.all([page.waitForEvent("download"), button.click()]);
    await story.getByText("Downloaded 2 times, the last time", { exact: true }).waitFor();
    const steps = (await story.getByRole("listitem").allTextContents()).map((step) => step.split(/[\d:]/)[0]);
    expect(steps.slice(-3)).toEqual(["Completed", "Downloaded ", "The files are deletedin "]);
  });
});
