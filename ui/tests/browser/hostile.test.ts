import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Bucket } from "./support/bucket";
import { at, launch, visit } from "./support/browser";
import { PROJECT, Server } from "./support/server";

/** What people may store, hoping that somebody looks at it. */
const HOSTILE = [
  `<img src=x onerror="alert('img')">`,
  `<script>alert("script")</script>`,
  `"><svg onload=alert(1)>`,
  `javascript:alert(1)`,
  `{{constructor.constructor("alert(1)")()}}`,
  `<iframe src="https://evil.example/"></iframe>`,
  `<a href="https://evil.example/">click</a>`,
  `![x](https://evil.example/pixel.png)`,
  `=HYPERLINK("https://evil.example/","x")`,
  `\u202Eevil\u202C \u0000\u0007`,
];

const ALL = HOSTILE.join("\n");

/** More levels than there is stack for to write them. */
const LEVELS = 5_000;
const DEEP = "[".repeat(LEVELS) + "]".repeat(LEVELS);

/** Longer than what is drawn at once, of an output and of a text in a tree. */
const LONG = "abcdefghij".repeat(4_800);

/** Rows beside those with {@link HOSTILE}, and older. */
const OTHERS = [
  {
    id: "deep",
    traceId: "trace-deep",
    name: "deep",
    type: "GENERATION",
    startTime: "2026-06-30 11:00:00.000",
    input: `[{"role":"user","content":${DEEP},"seed":${DEEP}},{"role":"assistant","tool_calls":[{"name":"find","arguments":${DEEP}}]}]`,
    output: DEEP,
  },
  {
    id: "long",
    traceId: "trace-long",
    name: "long",
    type: "SPAN",
    startTime: "2026-06-30 10:00:00.000",
    output: LONG,
    metadata: { notes: LONG },
  },
];

let browser: Browser;
let server: Server;

beforeAll(async () => {
  const rows = HOSTILE.map((text, index) => ({
    id: `row-${index}`,
    traceId: `trace-${index}`,
    name: text,
    type: "GENERATION",
    level: "ERROR",
    startTime: `2026-06-30 12:00:0${index}.000`,
    statusMessage: text,
    userId: text,
    tags: [text],
    input: JSON.stringify({ messages: [{ role: text, content: ALL }] }),
    output: ALL,
    metadata: { [text]: text },
  }));
  [browser, server] = await Promise.all([launch(), Server.withRows(0, { import: [...rows, ...OTHERS], settings: { OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" } })]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

describe("what people stored", () => {
  it("is text wherever it is shown, and reaches nobody else", async () => {
    const { page, complaints } = await visit(browser, server, at("events?columns=name,userId,tags,input,output,metadata"));
    await page.getByRole("grid").waitFor();
    await expect.poll(() => page.locator(".grid-row").count()).toBe(HOSTILE.length + OTHERS.length);
    await page.getByText(HOSTILE[0]!).first().waitFor();
    for (let index = 0; index < HOSTILE.length; index += 3) {
      await page.locator(".grid-row").nth(index).click();
      const sheet = page.getByRole("complementary", { name: "Row" });
      for (const tab of ["Messages", "Input", "Output", "Metadata", "Scores", "Comments", "Raw"]) {
        await sheet.getByRole("tab", { name: tab }).click();
        await page.waitForTimeout(60);
        const made = await page.locator("#app").evaluate((app) => app.querySelectorAll("iframe, script, img, a[href*='evil'], [onerror], [onload]").length);
        expect(made, `${tab} of row ${index}`).toBe(0);
      }
      await page.keyboard.press("Escape");
    }
    expect(complaints).toEqual([]);
  });

  it("is read also where it is nested more deeply than it can be written", async () => {
    const { page, complaints } = await visit(browser, server, at("events?columns=name"));
    await page.getByRole("grid").getByText("deep", { exact: true }).click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    const tooDeep = sheet.getByText("This JSON is nested too deeply to be written as text.");
    await tooDeep.first().waitFor();
    expect(await tooDeep.count()).toBe(2);
    // Whatever else a message carries is opened with Enter, which opens rows elsewhere on the page.
    await sheet.getByText("also seed").press("Enter");
    await sheet.getByRole("button", { name: "Expand $.seed[0]", exact: true }).waitFor();
    await sheet.getByRole("tab", { name: "Input" }).click();
    await sheet.getByText("role:").first().waitFor();
    await sheet.getByRole("tab", { name: "Output" }).click();
    await sheet.getByRole("button", { name: "Expand $[0][0]", exact: true }).click();
    await sheet.getByRole("button", { name: "Expand $[0][0][0]", exact: true }).waitFor();
    await sheet.getByRole("radio", { name: "Text" }).click();
    expect(await sheet.locator(".code").textContent()).toBe(DEEP);
    await sheet.getByRole("tab", { name: "Raw" }).click();
    await sheet.getByRole("button", { name: "Copy JSON" }).waitFor();
    expect(complaints).toEqual([]);
  });

  it("is cut where it is long, until all of it is asked for", async () => {
    const { page } = await visit(browser, server, at("events?columns=name"));
    await page.getByRole("grid").getByText("long", { exact: true }).click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    const all = sheet.getByRole("button", { name: "Show all 48.0 kB" });
    await sheet.getByRole("tab", { name: "Output" }).click();
    await all.waitFor();
    const text = sheet.locator(".code");
    expect((await text.textContent())!.length).toBe(20_000);
    await all.click();
    expect(await text.textContent()).toBe(LONG);
    await sheet.getByRole("tab", { name: "Metadata" }).click();
    await all.click();
    await all.waitFor({ state: "detached" });
    expect(await sheet.locator(".tree-value").textContent()).toBe(`"${LONG}"`);
  });

  it("is text among suggestions, on chips, in comments and in names of exports", async () => {
    const { page, complaints } = await visit(browser, server, at("events"));
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByRole("combobox", { name: "Find a column to filter by" }).fill("name");
    await page.getByRole("option", { name: "Name name" }).click();
    await page.getByRole("option", { name: HOSTILE[1]! }).click();
    await page.getByRole("button", { name: "Apply" }).click();
    await page.locator(".chip-value", { hasText: HOSTILE[1]! }).waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill(HOSTILE[0]!);
    await page.getByRole("button", { name: "Export 1 row" }).click();
    await page.getByRole("link", { name: "View export" }).click();
    await page.getByRole("heading", { name: HOSTILE[0]! }).waitFor();
    await page.getByText(`events · name any of ${HOSTILE[1]!}`).first().waitFor();
    expect(await page.locator("#app").locator("iframe, script, img").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it("is text in names of integrations and keys, and in the audit log", async () => {
    const bucket = await Bucket.open("refuses");
    onTestFinished(() => bucket.close());
    await server.outgest("key", "add", "--project", PROJECT, "--note", HOSTILE[2]!);
    const made = await server.ask<{ id: string }>("integrations", { ...bucket.integration(HOSTILE[0]!), paused: true, prefix: HOSTILE[1]!.replaceAll("/", "") });
    const shown: [string, string][] = [
      [at("integrations"), HOSTILE[0]!],
      [at("integrations", made.id), HOSTILE[0]!],
      [at("integrations", made.id, "edit"), HOSTILE[0]!],
      [at("settings", "keys"), HOSTILE[2]!],
      [at("settings", "audit"), HOSTILE[0]!],
    ];
    const { page, complaints } = await visit(browser, server, at("events"));
    for (const [path, text] of shown) {
      await page.goto(server.url + path);
      await page.getByText(text).first().waitFor();
      const made = await page.locator("#app").evaluate((app) => app.querySelectorAll("iframe, script, img, [onerror], [onload]").length);
      expect(made, path).toBe(0);
    }
    expect(complaints).toEqual([]);
  });

  it("in an address does nothing", async () => {
    const bad = encodeURIComponent(`<img src=x onerror=alert(1)>`);
    const pages = [`/projects/${bad}/events`, at(`events?search=${bad}&row=${bad}&tab=${bad}&columns=${bad}`), at(`exports/${bad}`), at(`settings/${bad}`)];
    // The first cannot be decoded, the others are something else when they are decoded twice.
    const percent = [at("exports/100%"), at("exports/100%25"), at("integrations/100%25/edit"), "/projects/100%25/events"];
    for (const path of [...pages, ...percent]) {
      const { page, complaints } = await visit(browser, server, path);
      await page.waitForTimeout(400);
      expect(await page.locator("#app").locator("img").count(), path).toBe(0);
      expect(await page.getByRole("heading").first().textContent(), path).not.toBe("This page ran into a defect");
      // Refusals of the server are written to the console by the browser itself.
      expect(complaints.filter((complaint) => !/status of (400|403|404)/.test(complaint)), path).toEqual([]);
    }
  });
});

describe("the page", () => {
  it("forbids what it does not need", async () => {
    const policy = (await fetch(server.url)).headers.get("content-security-policy")!;
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("connect-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe-eval");
    expect(/script-src[^;]*unsafe/.test(policy)).toBe(false);
  });
});
