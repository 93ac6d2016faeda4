import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Bucket } from "./support/bucket";
import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { fillConnection } from "./support/form";
import { Receiver } from "./support/receiver";
import { Server, VIEWER } from "./support/server";

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser?.close());

/** Buckets of the tests are on this machine, which users may not name unless they are allowed to. */
const SETTINGS = { OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" };

/** Kinds of destinations that other tests do not make with the form. */
const KINDS = [
  {
    kind: "mixpanel",
    title: "Mixpanel",
    fill: { Host: "http://127.0.0.1:9", "Project token": "nobodys-secret", "Request events": "500" },
    address: "mixpanel http://127.0.0.1:9",
    tables: ["events", "generations", "scores", "traces"],
    groups: false,
    user: "langfuse_user_id",
    name: "langfuse_level",
    secret: "nobodys-secret",
  },
  {
    kind: "gcs",
    title: "Google Cloud Storage",
    fill: { Bucket: "exports", Endpoint: "http://127.0.0.1:9", "Allow HTTP": true, Anonymous: true, Prefix: "lake/" },
    address: "gs://exports/lake/",
    tables: ["events", "observations", "scores", "traces"],
    groups: true,
    user: "user_id",
    name: "name",
    secret: null,
  },
  {
    kind: "azure",
    title: "Azure Blob Storage",
    fill: {
      Bucket: "exports",
      Account: "devstoreaccount1",
      "Account key": "bm9ib2R5cy1zZWNyZXQ=",
      Endpoint: "http://127.0.0.1:9/devstoreaccount1",
      "Allow HTTP": true,
      Prefix: "lake/",
    },
    address: "az://exports/lake/",
    tables: ["events", "observations", "scores", "traces"],
    groups: true,
    user: "user_id",
    name: "name",
    secret: "bm9ib2R5cy1zZWNyZXQ=",
  },
] satisfies { kind: string; title: string; fill: Record<string, string | true>; address: string; tables: string[]; groups: boolean; user: string; name: string; secret: string | null }[];

interface Stored {
  name: string;
  kind: string;
  tables: { table: string; masks: string[] }[];
}

/** What the server keeps of the integration with this name. */
async function settingsOf(server: Server, name: string): Promise<Stored> {
  const { items } = await server.ask<{ items: Stored[] }>("integrations");
  return items.find((known) => known.name === name)!;
}

interface Sent {
  id: string;
  result: { deliveries: { accepted: number; rejected: number; retried: number }[] } | null;
}

interface Run {
  from: string;
  backfill: string | null;
  revision: number;
  state: string;
  result: { rows: number } | null;
}

describe("an integration", () => {
  it("is made with a form, tested, run, looked into, backfilled, paused and deleted", { timeout: 120_000 }, async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(600, { recent: true, settings: SETTINGS });
    onTestFinished(() => server.close());
    const { page, complaints } = await visit(browser, server, at("integrations"));
    await page.getByRole("heading", { name: "No integrations yet" }).waitFor();
    await page.getByRole("link", { name: "New integration" }).first().click();
    await fillConnection(page, bucket);
    await page.getByRole("button", { name: "Test destination" }).click();
    await page.getByText("Every step succeeded.").waitFor();
    await page.getByLabel("First window").selectOption("history");
    const preview = page.getByRole("complementary", { name: "Next five windows" });
    await expect.poll(() => preview.getByRole("listitem").count()).toBe(5);
    await preview.getByText(/^lake\/.*\.parquet$/).first().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: "Create integration" }).click();
    await page.getByRole("heading", { level: 1, name: "To the lake" }).waitFor();
    await page.getByRole("navigation", { name: "Breadcrumb" }).getByText("To the lake").waitFor();
    await page.getByText("s3://exports/lake/").waitFor();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.locator(".line").filter({ hasText: "Exported" }).first().waitFor({ timeout: 60_000 });
    await page.locator(".coverage [data-state-is=exported]").first().waitFor({ timeout: 60_000 });
    expect([...bucket.objects.keys()].some((key) => key.startsWith("lake/"))).toBe(true);
    // The strip is one stop for Tab; arrows move in it, and Enter opens the run of a window.
    const strip = page.getByRole("toolbar", { name: "Coverage" });
    expect(await strip.locator('[tabindex="0"]').count()).toBe(1);
    await strip.locator('[tabindex="0"]').focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("Enter");
    const sheet = page.getByRole("complementary", { name: "Run of a window" });
    await sheet.waitFor();
    await strip.locator('[aria-expanded="true"]').waitFor();
    await sheet.getByRole("button", { name: "Close" }).click();
    await page.locator(".line").filter({ hasText: "Exported" }).first().getByRole("button").click();
    await sheet.getByText(/^lake\/.*\.parquet$/).first().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    // A link to the page shows the same run.
    const title = await sheet.getByRole("heading", { level: 2 }).first().textContent();
    await page.reload();
    await sheet.getByRole("heading", { level: 2, name: title! }).waitFor();
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    expect(page.url()).not.toContain("run=");
    await page.goBack();
    await sheet.waitFor();
    await sheet.getByRole("button", { name: "Close" }).click();
    const [from, second, third, to] = [-6, -5, -4, -3].map(local) as [string, string, string, string];
    const start = (run: Run) => run.from.slice(0, from.length);
    const [, integration] = /integrations\/([^/?]+)/.exec(page.url())!;
    const runs = async () => (await server.ask<{ items: Run[] }>(`integrations/${integration}/runs?limit=100`)).items;
    // What is exported once more below was exported before: the first windows of the history come when they can.
    const exported = async () => (await runs()).filter((run) => run.state === "completed").map(start);
    await expect.poll(exported, { timeout: 60_000 }).toEqual(expect.arrayContaining([from, second, third]));
    await page.getByRole("link", { name: "Backfills" }).click();
    await page.getByLabel("From").fill(from);
    await page.getByLabel("To, not included").fill(to);
    await page.getByText(/^≤ [\d,]+ rows, about/).waitFor();
    await page.getByRole("button", { name: "Begin backfill" }).click();
    // Not the one that caught up with the history.
    const lines = page.getByRole("listitem").filter({ hasText: /\d+ done/, hasNotText: "catching up" });
    await lines.getByText("Completed").waitFor({ timeout: 60_000 });
    await lines.getByText(/ 3 done, 0 under way$/).waitFor();
    // Its windows, and all rows that their first export had.
    const backfills = await server.ask<{ items: { id: string; cause: string }[] }>(`integrations/${integration}/backfills`);
    const asked = backfills.items.filter((backfill) => backfill.cause !== "catchUp").map((backfill) => backfill.id);
    const items = await runs();
    const again = items.filter((run) => run.backfill !== null && asked.includes(run.backfill));
    expect(again.map(start).sort()).toEqual([from, second, third]);
    for (const run of again) {
      const before = items.find((other) => other.from === run.from && other.revision === run.revision - 1)!;
      expect([run.state, run.result!.rows], run.from).toEqual(["completed", before.result!.rows]);
    }
    expect(again.reduce((sum, run) => sum + run.result!.rows, 0)).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused by Ada Lovelace").waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("link", { name: "Settings", exact: true }).last().click();
    expect(await page.content()).not.toContain("nobodys-secret");
    await page.getByRole("link", { name: "Change" }).click();
    const secret = page.getByLabel("Secret access key", { exact: true });
    expect(await secret.getAttribute("placeholder")).toContain("stored");
    // It can be taken away: whether there is anything to connect with then is for the server to say.
    await page.getByRole("button", { name: "Remove Secret access key" }).press("Enter");
    expect([await secret.isDisabled(), await secret.getAttribute("placeholder")]).toEqual([true, "removed once it is saved"]);
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText("it is missing beside access_key_id").first().waitFor();
    await page.getByRole("button", { name: "Keep Secret access key" }).press("Enter");
    expect([await secret.isDisabled(), await secret.getAttribute("placeholder")]).toEqual([false, "stored; leave empty to keep it"]);
    await page.getByLabel("How often windows end").selectOption("day");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByText(/every day at 00:00/).first().waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete integration" }).click();
    await page.getByRole("heading", { name: "No integrations yet" }).waitFor();
    // Previews of an unfinished form are refused, which browsers write to the console.
    expect(complaints.filter((complaint) => !/status of (400|503)/.test(complaint))).toEqual([]);
  });

  it("shows each step of a test as it is taken", { timeout: 120_000 }, async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations", "new"));
    await fillConnection(page, bucket);
    const release = bucket.hold();
    await page.getByRole("button", { name: "Test destination" }).click();
    const steps = page.locator(".steps > li");
    await steps.filter({ hasText: "commit running" }).waitFor();
    const before = ["address policy", "DNS", "connection", "credentials", "open", "write"].map((name) => `${name} ok`);
    expect(await steps.allTextContents()).toEqual([...before, "commit running"]);
    expect(await page.getByRole("button", { name: "Test destination" }).isDisabled()).toBe(true);
    expect(await accessibilityProblems(page)).toEqual([]);
    release();
    await page.getByText("Every step succeeded.").waitFor();
    const after = ["commit", "multipart", "read back", "delete"].map((name) => `${name} ok`);
    expect(await steps.allTextContents()).toEqual([...before, ...after]);
    expect([bucket.parts, bucket.objects.size]).toEqual([3, 0]);
    // What is entered now was not tested.
    for (const [field, value] of [["Bucket", "exports"], ["Prefix", "lake/"]] as const) {
      await page.getByLabel(field, { exact: true }).fill("others");
      await steps.first().waitFor({ state: "detached" });
      expect(await page.getByText("Every step succeeded.").count()).toBe(0);
      await page.getByLabel(field, { exact: true }).fill(value);
      await page.getByRole("button", { name: "Test destination" }).click();
      await page.getByText("Every step succeeded.").waitFor();
    }
    // A server that goes away in the middle leaves the step that was being taken unfinished.
    bucket.hold();
    await page.getByRole("button", { name: "Test destination" }).click();
    await steps.filter({ hasText: "commit running" }).waitFor();
    await server.stop();
    await steps.filter({ hasText: "commit failed" }).waitFor();
    expect((await steps.allTextContents()).slice(0, 6)).toEqual(before);
  });

  it("tells what its destination refused: in the test, on the page, and in the run", { timeout: 120_000 }, async () => {
    const bucket = await Bucket.open("refuses");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(200, { recent: true, settings: SETTINGS });
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations", "new"));
    await fillConnection(page, bucket);
    await page.getByRole("button", { name: "Test destination" }).click();
    await page.getByText("A step failed; what was written is removed.").waitFor();
    await page.locator(".steps [data-tone=failed]").getByText("User outgest-test may not write here").waitFor();
    await page.getByLabel("First window").selectOption("history");
    await page.getByRole("button", { name: "Create integration" }).click();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.getByText("Paused, because only a person can remove what is wrong").waitFor({ timeout: 60_000 });
    await page.getByText("User outgest-test may not write here").first().waitFor();
    await page.goto(server.url + at("integrations"));
    await page.getByRole("row", { name: /To the lake.*Failed/ }).waitFor();
  });

  it("that sends events is asked for nothing of files, and shows what became of every event", { timeout: 120_000 }, async () => {
    const receiver = await Receiver.open("nobodys-secret");
    onTestFinished(() => receiver.close());
    const server = await Server.withRows(300, { recent: true, settings: SETTINGS });
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations", "new"));
    await page.getByLabel("Name", { exact: true }).fill("Product");
    await page.getByLabel("Destination", { exact: true }).selectOption("posthog");
    expect(await page.getByLabel("Prefix", { exact: true }).count()).toBe(0);
    expect(await page.getByLabel("Format", { exact: true }).count()).toBe(0);
    // What answers there, with success, is not PostHog.
    const host = page.getByLabel("Host", { exact: true });
    await host.fill(`${receiver.host}/app`);
    // Events have the name of the project unless it is taken away; the field stays where it is.
    const projectName = page.locator(".integration-form").getByLabel("Project name", { exact: true });
    expect(await projectName.inputValue()).toBe("Shop");
    await projectName.fill("");
    await projectName.waitFor();
    await page.getByLabel("API key", { exact: true }).fill("nobodys-secret");
    await page.getByRole("button", { name: "Test destination" }).click();
    await page.locator(".steps [data-tone=failed]").getByText("PostHog answered 200 without saying that it took events").waitFor();
    await host.fill(receiver.host);
    await page.getByRole("button", { name: "Test destination" }).click();
    await page.getByText("Every step succeeded.").waitFor();
    // Nobody could find out whose key it is without leaving an event.
    await page.locator(".steps > li").last().getByText("PostHog does not tell whether a project has this key").waitFor();
    expect(receiver.events).toEqual([]);
    await page.getByLabel("First window").selectOption("history");
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: "Create integration" }).click();
    await page.getByRole("heading", { level: 1, name: "Product" }).waitFor();
    await page.getByRole("button", { name: "Run now" }).click();
    await page.locator(".line").filter({ hasText: "Exported" }).first().waitFor({ timeout: 60_000 });
    await expect.poll(() => receiver.events.some((event) => event.event === "langfuse observation"), { timeout: 60_000 }).toBe(true);
    expect(receiver.events.filter(({ properties }) => "langfuse_project_name" in properties)).toEqual([]);
    expect(await page.content()).not.toContain("nobodys-secret");
    // A run tells what became of the events of each table, and of rows that were late or deleted.
    const [, id] = /integrations\/([^/?]+)/.exec(page.url())!;
    const sent = async () => (await server.ask<{ items: Sent[] }>(`integrations/${id}/runs?limit=100`)).items.find(({ result }) => result && result.deliveries.length > 0);
    await expect.poll(sent, { timeout: 60_000 }).toBeDefined();
    const { id: run, result } = (await sent())!;
    await page.route(`**/integrations/${id}/runs?*`, async (route) => {
      const answer = await route.fetch();
      const known = (await answer.json()) as { items: Sent[] };
      const items = known.items.map((run) => ({ ...run, result: run.result && { ...run.result, lateRows: 1_234, deletedRows: 56 } }));
      await route.fulfill({ response: answer, json: { ...known, items } });
    });
    await page.goto(server.url + at("integrations", `${id}?run=${run}`));
    const sheet = page.getByRole("complementary", { name: "Run of a window" });
    const lines = sheet.getByRole("table").getByRole("row");
    await lines.first().waitFor();
    for (const [index, { accepted, rejected, retried }] of result!.deliveries.entries()) {
      const cells = await lines.nth(index + 1).getByRole("cell").allTextContents();
      expect(cells.slice(1)).toEqual([accepted, rejected, retried].map((events) => events.toLocaleString("en-US")));
    }
    expect(await lines.count()).toBe(result!.deliveries.length + 1);
    for (const [name, figure] of [["Late rows", "1,234"], ["Deleted rows", "56"]] as const) {
      expect(await sheet.locator(`dt:text-is("${name}") + dd`).textContent()).toBe(figure);
    }
    // The name can be given, and taken away again.
    const named = async () => (await server.ask<{ options: Record<string, string> }>(`integrations/${id}`)).options["project_name"];
    expect(await named()).toBe("");
    for (const name of ["Store", ""]) {
      await page.goto(server.url + at("integrations", id!, "edit"));
      await projectName.fill(name);
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { level: 1, name: "Product", exact: true }).waitFor();
      expect(await named()).toBe(name);
    }
  });

  it("keeps what its receiver refuses, with the reason, and sends it again when it is told to", { timeout: 120_000 }, async () => {
    const receiver = await Receiver.open("nobodys-secret");
    onTestFinished(() => receiver.close());
    receiver.refusal = "this event is not wanted";
    const server = await Server.withRows(300, { recent: true, settings: SETTINGS });
    onTestFinished(() => server.close());
    const made = await server.ask<{ id: string }>("integrations", {
      name: "Product",
      kind: "posthog",
      options: { host: receiver.host },
      secrets: { api_key: "nobodys-secret" },
      tables: [{ table: "traces" }],
      schedule: { every: "hour", zone: "UTC" },
      start: { from: "history" },
    });
    const letters = async () => (await server.ask<{ items: object[] }>(`integrations/${made.id}/dead-letters`)).items.length;
    await expect.poll(letters, { timeout: 60_000 }).toBeGreaterThan(0);
    const { page } = await visit(browser, server, at("integrations", made.id, "letters"));
    await page.getByText(/this event is not wanted/).first().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    const arrived = () => receiver.events.some(({ uuid }) => uuid === receiver.unwanted);
    expect(arrived()).toBe(false);
    receiver.refusal = null;
    await page.getByRole("button", { name: "Replay all" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Replay" }).click();
    await page.getByText(/^\d+ runs? planned$/).waitFor();
    await expect.poll(arrived, { timeout: 60_000 }).toBe(true);
  });

  it("of each kind is made with its own fields, groups, filters and masks, which are shown and can be changed", { timeout: 180_000 }, async () => {
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    for (const { kind, title, fill, address, tables, groups, user, name, secret } of KINDS) {
      const { page, complaints } = await visit(browser, server, at("integrations", "new"));
      await page.getByLabel("Name", { exact: true }).fill(title);
      await page.getByLabel("Destination", { exact: true }).selectOption({ label: title });
      await page.getByRole("button", { name: "More options" }).click();
      for (const [label, value] of Object.entries(fill)) {
        if (value === true) await page.getByRole("checkbox", { name: label, exact: true }).click();
        else await page.locator(".integration-form").getByLabel(label, { exact: true }).fill(value);
      }
      // Of the tables that the kind takes only events, and of these not everything.
      const names = await page.getByRole("checkbox", { name: /^Export / }).evaluateAll((boxes) => boxes.map((box) => (box as HTMLButtonElement).labels?.[0]?.textContent));
      expect(names.sort()).toEqual(tables.map((table) => `Export ${table}`).sort());
      for (const table of ["traces", "scores"]) await page.getByRole("checkbox", { name: `Export ${table}` }).click();
      await page.getByRole("button", { name: "Filters and masks" }).click();
      await page.getByRole("button", { name: "Filter as text" }).click();
      await page.getByRole("textbox", { name: "Filter as text" }).fill('levl = "ERROR"');
      await page.keyboard.press("Enter");
      const masks = page.getByLabel("Mask rules of events");
      await masks.fill("nonsense:hash");
      const group = page.getByLabel("Field groups of events");
      expect(await group.count()).toBe(groups ? 1 : 0);
      if (groups) await group.fill("core, nonsense");
      await page.getByRole("button", { name: "Create integration" }).click();
      // What is refused is said where it was entered.
      await page.locator(".chip[data-wrong]").getByText("levl").waitFor();
      const problemOf = async (field: Locator) => page.locator(`[id="${(await field.getAttribute("id"))!}-problem"]`).textContent();
      expect(await problemOf(masks)).toContain("nonsense");
      if (groups) expect(await problemOf(group)).toContain('no field group "nonsense"');
      expect(await accessibilityProblems(page)).toEqual([]);
      await page.locator(".chip").getByText("levl").click();
      await page.getByRole("textbox", { name: "Filter as text" }).fill('level = "ERROR"');
      // Applying a filter is no more than that.
      let asked = 0;
      page.on("request", (request) => (asked += Number(request.method() === "POST" && request.url().endsWith("/integrations"))));
      await page.getByRole("button", { name: "Apply" }).click();
      await page.locator(".chip").getByText("level").waitFor();
      expect(asked).toBe(0);
      const rules = [`${user}:hash`, `${name}:/secret/…/`];
      await masks.fill(rules.join("\n"));
      if (groups) await group.fill("core, basic");
      await page.getByRole("checkbox", { name: "Create it paused" }).click();
      await page.getByRole("button", { name: "Create integration" }).click();
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await page.getByText(address, { exact: true }).waitFor();
      await page.getByRole("link", { name: "Settings", exact: true }).last().click();
      const facts = page.locator("dl.facts");
      await facts.getByText(title, { exact: true }).waitFor();
      const events = [groups ? "core, basic" : "", 'level = "ERROR"', ...rules].filter(Boolean).join(" · ");
      await facts.getByText(events, { exact: true }).waitFor();
      for (const value of Object.values(fill)) {
        if (value === secret) expect(await page.content()).not.toContain(secret);
        else if (value !== true) await facts.getByText(value, { exact: true }).waitFor();
      }
      if (secret) await facts.getByText("stored, never shown").waitFor();
      expect(await accessibilityProblems(page)).toEqual([]);
      // The form begins with what holds, and changes what is changed alone.
      await page.getByRole("link", { name: "Change", exact: true }).click();
      const known = await settingsOf(server, title);
      expect(await masks.inputValue()).toBe(rules.join("\n"));
      if (groups) expect(await group.inputValue()).toBe("core, basic");
      await masks.fill(`${user}:redact`);
      await page.getByRole("button", { name: "Save changes" }).click();
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      await expect.poll(async () => (await settingsOf(server, title)).tables[0]?.masks).toEqual([`${user}:redact`]);
      const changed = await settingsOf(server, title);
      expect(changed.kind).toBe(kind);
      expect(changed.tables).toEqual([{ ...known.tables[0], masks: [`${user}:redact`] }]);
      const rest = { tables: [], version: 0, updatedAt: "" };
      expect({ ...changed, ...rest }).toEqual({ ...known, ...rest });
      // Drafts and wrong ones are refused, which browsers write to the console.
      expect(complaints.filter((complaint) => !/status of 400/.test(complaint))).toEqual([]);
    }
  });

  it("shows the windows of what is entered, once it is, and those of what is saved while that is changed", async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations", "new"));
    await fillConnection(page, bucket);
    const preview = page.getByRole("complementary", { name: "Next five windows", exact: true });
    await preview.getByText(/^lake\//).first().waitFor();
    let asked: string[] = [];
    page.on("request", (request) => request.url().endsWith("/integrations/preview") && asked.push(request.postData() ?? ""));
    // What is typed is asked for once, at its end.
    await page.getByLabel("Prefix", { exact: true }).fill("");
    await page.getByLabel("Prefix", { exact: true }).pressSequentially("another/", { delay: 20 });
    await preview.getByText(/^another\//).first().waitFor();
    expect(asked.length).toBeLessThanOrEqual(2);
    // A secret that is missing is asked about again once it is there.
    const secret = page.getByLabel("Secret access key", { exact: true });
    await secret.fill("");
    await preview.getByText(/secret/).waitFor();
    asked = [];
    await secret.fill("nobodys-secret");
    await preview.getByText(/^another\//).first().waitFor();
    expect(asked.length).toBe(1);
    await page.getByLabel("Name", { exact: true }).fill("Lake");
    await page.getByRole("button", { name: "Create integration" }).click();
    await page.getByRole("heading", { level: 1, name: "Lake" }).waitFor();
    await page.getByRole("link", { name: "Change", exact: true }).click();
    const saved = page.getByRole("complementary", { name: "Next five windows as saved" });
    await saved.getByText(/^another\//).first().waitFor();
    await page.getByLabel("Prefix", { exact: true }).fill("third/");
    await saved.getByText("What you change here shows once it is saved.").waitFor();
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByRole("heading", { level: 1, name: "Lake" }).waitFor();
    await page.getByRole("link", { name: "Change", exact: true }).click();
    await saved.getByText(/^third\//).first().waitFor();
    expect(await saved.getByText(/^another\//).count()).toBe(0);
  });

  it("has a line in the list that says how far behind it is, its last window and its next", async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    const [MINUTE, HOUR] = [60_000, 3_600_000];
    const start = { from: "date", at: new Date(Math.floor(Date.now() / HOUR) * HOUR - 2 * HOUR).toISOString() };
    const { id } = await server.ask<{ id: string }>("integrations", { ...bucket.integration("Lake"), start, lagSeconds: 0 });
    const { id: waits } = await server.ask<{ id: string }>("integrations", { ...bucket.integration("Later"), start: { from: "now" }, paused: true });
    interface Known {
      exportedUpto: string | null;
      lastRun: { from: string; to: string } | null;
    }
    const known = (of: string) => server.ask<Known>(`integrations/${of}`);
    await expect.poll(async () => Date.now() - Date.parse((await known(id)).exportedUpto ?? "1970-01-01"), { timeout: 60_000 }).toBeLessThan(HOUR);
    const { exportedUpto, lastRun } = await known(id);
    expect([exportedUpto, (await known(waits)).exportedUpto]).toEqual([lastRun!.to, null]);
    const { page } = await visit(browser, server, "/icon.svg");
    await page.clock.setFixedTime(Date.parse(exportedUpto!) + 12 * MINUTE);
    await page.goto(server.url + at("integrations"));
    const cells = async (name: string) => (await page.getByRole("row", { name: new RegExp(`^${name} `) }).getByRole("cell").allTextContents()).slice(3);
    await page.getByRole("row", { name: /^Lake / }).waitFor();
    const hour = (time: string) => `${time.slice(11, 13)}:00`;
    const [lag, last, next] = await cells("Lake");
    expect([lag, next]).toEqual(["12 min", "in 48 min"]);
    expect(last).toMatch(new RegExp(`^\\d+ \\w{3} ${hour(lastRun!.from)} – .*${hour(lastRun!.to)}$`));
    expect((await cells("Later")).slice(0, 2)).toEqual(["–", "–"]);
  });

  it("gives up a backfill that is cancelled: windows under way end, and the rest does not begin", async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(600, { recent: true, settings: SETTINGS });
    onTestFinished(() => server.close());
    const { id } = await server.ask<{ id: string }>("integrations", { ...bucket.integration("Lake"), start: { from: "now" } });
    const { page } = await visit(browser, server, at("integrations", id, "backfills"));
    const release = bucket.hold();
    onTestFinished(release);
    await page.getByLabel("From").fill(local(-8));
    await page.getByLabel("To, not included").fill(local(-2));
    await page.getByLabel("Windows at the same time").fill("1");
    await page.getByRole("button", { name: "Begin backfill" }).click();
    const line = page.getByRole("listitem").filter({ hasText: /\d+ done/ });
    await line.getByText(/ 0 done, 1 under way$/).waitFor();
    await expect.poll(() => bucket.parts).toBeGreaterThan(0);
    await line.getByRole("button", { name: "Cancel" }).click();
    const question = page.getByRole("alertdialog", { name: "Cancel this backfill" });
    await question.getByText("Windows that are done stay; those under way are cancelled.").waitFor();
    await question.getByRole("button", { name: "Cancel backfill" }).click();
    await line.getByText("Cancelled", { exact: true }).waitFor();
    release();
    await line.getByText(/^0 done, 0 under way, 1 failed or cancelled$/).waitFor();
    expect(await line.getByRole("button", { name: "Cancel" }).count()).toBe(0);
    expect(await line.getByRole("progressbar").count()).toBe(0);
    const { items } = await server.ask<{ items: Run[] }>(`integrations/${id}/runs?limit=100`);
    expect([...new Set(items.filter((run) => run.backfill !== null).map((run) => run.state))]).toEqual(["cancelled"]);
    expect([...bucket.objects.keys()].filter((key) => key.endsWith(".parquet"))).toEqual([]);
  });

  it("that is paused shows which windows wait for it to be resumed", async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    const HOUR = 3_600_000;
    const hour = Math.floor(Date.now() / HOUR) * HOUR;
    const paused = async (name: string, begin: number) => {
      const start = { from: "date", at: new Date(begin).toISOString() };
      const { id } = await server.ask<{ id: string }>("integrations", { ...bucket.integration(name), start, lagSeconds: 0, paused: true });
      return id;
    };
    const few = await paused("Few", hour - 2 * HOUR);
    const { page } = await visit(browser, server, at("integrations", few));
    const cells = page.locator('.coverage [data-state-is="paused"]');
    const due = () => Math.floor((Date.now() - (hour - 2 * HOUR)) / HOUR);
    await expect.poll(async () => (await cells.count()) - due()).toBe(0);
    await page.locator(".legend").getByText(/^[23] paused: due, exported once it is resumed$/).waitFor();
    await page.getByRole("button", { name: /paused: due/ }).first().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    // Of many nobody counts them; they are one stretch up to now.
    const many = await paused("Many", hour - 100 * HOUR);
    await page.goto(server.url + at("integrations", many));
    await expect.poll(() => cells.count()).toBe(1);
    await page.locator(".legend").getByText("paused: due, exported once it is resumed", { exact: true }).waitFor();
    // Once it is resumed they are exported, as it says.
    await page.goto(server.url + at("integrations", few));
    await cells.first().waitFor();
    await page.getByRole("button", { name: "Resume", exact: true }).click();
    await page.locator('.coverage [data-state-is="exported"]').nth(1).waitFor();
    expect(await cells.count()).toBe(0);
    // What failed is told until something else is done.
    await page.route(`**/integrations/${few}/pause`, (route) => route.fulfill({ status: 409, contentType: "application/json", body: '{"detail":"the store is being moved"}' }));
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    const failed = page.getByRole("alert").filter({ hasText: "the store is being moved" });
    await failed.waitFor();
    await page.getByRole("button", { name: "Run now" }).click();
    await failed.waitFor({ state: "detached" });
    // Arrows pass every window, also where two of different schedules begin at one instant.
    await page.route(`**/integrations/${few}/runs?*`, async (route) => {
      const answer = await route.fetch();
      const known = (await answer.json()) as { items: Run[] };
      const longer = known.items.map((run, index) => ({ ...run, id: `longer-${index}`, to: new Date(hour + HOUR).toISOString() }));
      await route.fulfill({ response: answer, json: { ...known, items: [...known.items, ...longer] } });
    });
    await page.reload();
    const strip = page.getByRole("toolbar", { name: "Coverage" });
    const windows = strip.getByRole("button");
    await expect.poll(() => windows.count()).toBeGreaterThanOrEqual(4);
    await strip.locator('[tabindex="0"]').focus();
    await page.keyboard.press("Home");
    const last = (await windows.count()) - 1;
    for (let step = 0; step < last; step += 1) await page.keyboard.press("ArrowRight");
    expect(await windows.nth(last).evaluate((button) => document.activeElement === button)).toBe(true);
  });

  it("that somebody else changes meanwhile is not overwritten, and what was entered stays until it is given up", async () => {
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    const server = await Server.withRows(0, { settings: SETTINGS });
    onTestFinished(() => server.close());
    const made = await server.ask<{ id: string; version: number }>("integrations", bucket.integration("Before"));
    const { page } = await visit(browser, server, "/icon.svg");
    await page.clock.install();
    await page.goto(server.url + at("integrations", made.id, "edit"));
    const name = page.getByLabel("Name", { exact: true });
    await name.fill("Mine");
    await server.ask(`integrations/${made.id}`, { version: made.version, name: "Theirs" }, "PATCH");
    const asked = (status: number) => page.waitForResponse((answer) => answer.url().endsWith(made.id) && answer.status() === status);
    // The form asks again by itself, for which it must neither lose the draft nor take it for one of what it is told.
    await page.route(`**/integrations/${made.id}`, (route) => route.fulfill({ status: 502, body: "" }), { times: 2 });
    const failed = asked(502);
    await page.clock.runFor(16_000);
    await failed;
    await page.clock.runFor(1_000);
    const answered = asked(200);
    await page.clock.runFor(16_000);
    await answered;
    await page.getByRole("heading", { level: 1, name: "Change Theirs" }).waitFor();
    expect(await name.inputValue()).toBe("Mine");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByRole("alert").getByText(/changed the integration meanwhile/).waitFor();
    expect((await server.ask<{ name: string }>(`integrations/${made.id}`)).name).toBe("Theirs");
    // What cannot be asked for is not taken for what is stored now.
    const again = page.getByRole("button", { name: "Begin again" });
    await page.route(`**/integrations/${made.id}`, (route) => route.fulfill({ status: 409, contentType: "application/json", body: '{"detail":"the store is being moved"}' }));
    await again.click();
    await page.getByRole("alert").getByText("the store is being moved").waitFor();
    expect(await name.inputValue()).toBe("Mine");
    await page.unroute(`**/integrations/${made.id}`);
    await again.click();
    await expect.poll(() => name.inputValue()).toBe("Theirs");
    await name.fill("Ours");
    await page.getByRole("button", { name: "Save changes" }).click();
    await page.getByRole("heading", { level: 1, name: "Ours" }).waitFor();
  });

  it("with a host that nobody may name is refused before anything is sent", async () => {
    const server = await Server.withRows(0);
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations", "new"));
    await page.getByLabel("Bucket", { exact: true }).fill("exports");
    await page.getByRole("button", { name: "More options" }).click();
    await page.getByLabel("Endpoint", { exact: true }).fill("http://169.254.169.254");
    await page.getByLabel("Access key ID", { exact: true }).fill("outgest-test");
    await page.getByLabel("Secret access key", { exact: true }).fill("nobodys-secret");
    await page.getByRole("checkbox", { name: "Allow http" }).click();
    await page.getByLabel("Name", { exact: true }).fill("x");
    await page.getByRole("button", { name: "Test destination" }).click();
    await page.locator(".steps [data-tone=failed]").getByText("address policy").waitFor();
    await page.locator(".steps").getByText("may not be reached").waitFor();
    await page.getByRole("button", { name: "Create integration" }).click();
    const alerts = page.getByRole("alert");
    await alerts.first().waitFor();
    expect(page.url()).toContain("/integrations/new");
    // A test takes the place of that refusal, which does not come back when something is entered that was not tested.
    await page.getByRole("button", { name: "Test destination" }).click();
    await expect.poll(() => alerts.count()).toBe(0);
    await page.getByText("A step failed; what was written is removed.").waitFor();
    await page.getByLabel("Bucket", { exact: true }).fill("others");
    await page.locator(".steps").waitFor({ state: "detached" });
    expect(await alerts.count()).toBe(0);
    // What keeps the form from being sent is in view, wherever it is.
    const summary = page.getByText("Advanced", { exact: true });
    const lag = page.getByLabel("Seconds between the end of a window and its export");
    for (const entered of ["-5", ""]) {
      await summary.click();
      await lag.fill(entered);
      await summary.click();
      await lag.waitFor({ state: "hidden" });
      await page.getByRole("button", { name: "Create integration" }).click();
      await lag.waitFor();
      await expect.poll(() => lag.evaluate((field) => document.activeElement === field)).toBe(true);
      await summary.click();
      await lag.waitFor({ state: "hidden" });
    }
  });

  it("is looked at by viewers, and changed by owners alone", async () => {
    const server = await Server.withRows(0);
    onTestFinished(() => server.close());
    const { page } = await visit(browser, server, at("integrations"), { who: VIEWER });
    await page.getByRole("heading", { name: "No integrations yet" }).waitFor();
    expect(await page.getByRole("link", { name: "New integration" }).count()).toBe(0);
    // Forms that would be refused are not filled in first.
    for (const rest of [["new"], ["some-id", "edit"]]) {
      await page.goto(server.url + at("integrations", ...rest));
      await page.getByRole("heading", { level: 1, name: "Owners of the project make and change integrations" }).waitFor();
      await page.getByText("An owner of the project can give you the role it needs.").waitFor();
      expect(await page.locator("form").count()).toBe(0);
      expect(await accessibilityProblems(page)).toEqual([]);
    }
  });
});

/** So many hours from now, as fields take it; the browser's zone is UTC. */
function local(hours: number): string {
  const date = new Date(Date.now() + hours * 3_600_000);
  return `${date.toISOString().slice(0, 13)}:00`;
}
