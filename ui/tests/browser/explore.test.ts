import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

let browser: Browser;
let server: Server;

const EVENTS = 6_000;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(EVENTS)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The count in the footer, once it is known. */
async function counted(page: Page): Promise<number> {
  const text = await page.getByRole("status").getByText(/^[\d,]+ rows?$/).textContent();
  return Number(text!.replace(/\D/g, ""));
}

function cells(page: Page, column: string): Promise<string[]> {
  return page.locator(`[data-column="${column}"]`).allTextContents();
}

describe("the table", () => {
  it("draws what is in view, and reads on while it is scrolled", async () => {
    const { page, complaints } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    expect(await counted(page)).toBe(EVENTS);
    const loaded = async () => {
      await page.getByRole("grid").evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
      return Number((await page.getByText(/^[\d,]+ loaded$/).textContent())!.replace(/\D/g, ""));
    };
    await expect.poll(loaded).toBeGreaterThanOrEqual(300);
    expect(await page.locator(".grid-row").count()).toBeLessThan(60);
    expect(complaints).toEqual([]);
  });

  it("is turned round by the head of its time, and reads on from its oldest row", async () => {
    const { page, complaints } = await visit(browser, server, at("events"));
    const turn = page.getByRole("button", { name: "Start time" });
    await turn.waitFor();
    const times = async () => {
      await page.locator('[data-column="startTime"] time').first().waitFor();
      return page.locator('[data-column="startTime"] time').evaluateAll((all) => all.map((time) => Date.parse(time.getAttribute("datetime")!)));
    };
    const newest = (await times())[0]!;
    await turn.click();
    await page.getByRole("status").getByText("Oldest first").waitFor();
    expect(page.url()).toContain("order=oldest_first");
    await expect.poll(async () => (await times())[0]!).toBeLessThan(newest);
    const upwards = await times();
    expect(upwards).toEqual([...upwards].sort((a, b) => a - b));
    expect(await page.getByRole("columnheader", { name: "Start time" }).getAttribute("aria-sort")).toBe("ascending");
    const loaded = async () => {
      await page.getByRole("grid").evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
      return Number((await page.getByText(/^[\d,]+ loaded$/).textContent())!.replace(/\D/g, ""));
    };
    await expect.poll(loaded).toBeGreaterThanOrEqual(300);
    const further = await times();
    expect(further.at(-1)!).toBeGreaterThan(upwards.at(-1)!);
    await page.reload();
    expect((await times())[0]).toBe(upwards[0]);
    await turn.click();
    await expect.poll(async () => (await times())[0]!).toBe(newest);
    expect(page.url()).not.toContain("order=");
    expect(complaints).toEqual([]);
  });

  it("shows the chosen columns in the chosen order, which the address keeps", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByLabel("Find a column").fill("environment");
    await page.getByRole("checkbox", { name: "Environment", exact: true }).click();
    await page.getByLabel("Find a column").fill("scores");
    await page.getByRole("checkbox", { name: "Scores" }).click();
    await page.keyboard.press("Escape");
    await page.locator('[data-column="environment"]').first().waitFor();
    expect(page.url()).toContain("environment");
    const heads = () => page.getByRole("columnheader").allTextContents();
    await page.getByRole("columnheader", { name: "Relevance" }).waitFor();
    const before = await heads();
    await page.reload();
    await page.getByRole("columnheader", { name: "Relevance" }).waitFor();
    expect(await heads()).toEqual(before);
  });

  it("has columns that are dragged to another place, or moved there with keys, which the address keeps", async () => {
    const { page, complaints } = await visit(browser, server, at("events?columns=name,type,level,id"));
    const head = (title: string) => page.locator(".grid-th").filter({ has: page.getByText(title, { exact: true }) });
    const heads = () => page.locator(".grid-th > .clip").allTextContents();
    const inRow = () => page.locator(".grid-row").first().locator("[data-column]").evaluateAll((all) => all.map((cell) => cell.getAttribute("data-column")));
    const columns = () => new URL(page.url()).searchParams.get("columns")!.split(",");
    const are = async (names: string[]) => {
      await expect.poll(columns).toEqual(names);
      await expect.poll(inRow).toEqual(names);
    };
    await are(["name", "type", "level", "id"]);
    await head("Level").dragTo(head("Name"));
    await are(["level", "name", "type", "id"]);
    expect(await heads()).toEqual(["Level", "Name", "Type", "ID"]);
    await head("Level").dragTo(head("Type"));
    await are(["name", "type", "level", "id"]);
    // What is dropped elsewhere stays where it was.
    await head("Level").dragTo(page.getByRole("heading", { level: 1 }));
    await head("ID").dragTo(head("Type"));
    await are(["name", "id", "type", "level"]);
    // A key moves it as often as it is pressed.
    await page.getByRole("button", { name: "Columns", exact: true }).press("Enter");
    const right = page.getByRole("button", { name: "Move name to the right" });
    await right.focus();
    await page.keyboard.press("Enter");
    await are(["id", "name", "type", "level"]);
    await page.keyboard.press("Enter");
    await are(["id", "type", "name", "level"]);
    // At the end it goes no further, and can be taken back.
    for (let press = 0; press < 2; press += 1) await page.keyboard.press("Enter");
    await are(["id", "type", "level", "name"]);
    expect(await right.evaluate((button) => document.activeElement === button)).toBe(true);
    const left = page.getByRole("button", { name: "Move level to the left" });
    await left.focus();
    for (let press = 0; press < 2; press += 1) await page.keyboard.press("Enter");
    await are(["level", "id", "type", "name"]);
    await page.keyboard.press("Escape");
    await page.reload();
    await are(["level", "id", "type", "name"]);
    expect(await heads()).toEqual(["Level", "ID", "Type", "Name"]);
    expect(complaints).toEqual([]);
  });

  it("has columns that can be dragged while scores are shown, which stay the last", async () => {
    const { page, complaints } = await visit(browser, server, at("events?columns=name,type,level,scores"));
    const head = (title: string) => page.locator(".grid-th").filter({ has: page.getByText(title, { exact: true }) });
    const heads = () => page.locator(".grid-th > .clip").allTextContents();
    await head("Relevance").waitFor();
    const scores = (await heads()).slice(3);
    await head("Relevance").dragTo(head("Name"));
    await head("Level").dragTo(head("Name"));
    await expect.poll(heads).toEqual(["Level", "Name", "Type", ...scores]);
    await head("Level").dragTo(head("Relevance"));
    await expect.poll(heads).toEqual(["Name", "Type", "Level", ...scores]);
    expect(new URL(page.url()).searchParams.get("columns")).toBe("name,type,level,scores");
    expect(await page.locator(".grid-row").count()).toBeGreaterThan(10);
    expect(complaints).toEqual([]);
  });

  it("keeps what is there where reading on or refreshing fails, and tries again when it is told to", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    let fails = true;
    let asked = 0;
    await page.route("**/rows/search", (route) => {
      asked += 1;
      return fails ? route.fulfill({ status: 409, contentType: "application/json", body: '{"detail":"the store is being moved"}' }) : route.fallback();
    });
    const end = () => page.getByRole("grid").evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
    await end();
    const foot = page.locator(".page-foot");
    await foot.getByText(/could not be loaded: the store is being moved/).waitFor();
    const scrolled = await page.getByRole("grid").evaluate((grid) => grid.scrollTop);
    expect(scrolled).toBeGreaterThan(1_000);
    const before = asked;
    await page.waitForTimeout(500);
    expect(asked).toBe(before);
    await page.getByRole("button", { name: "Refresh" }).click();
    await expect.poll(() => asked).toBe(before + 1);
    await foot.getByRole("button", { name: "Try again" }).waitFor();
    expect(await page.getByRole("grid").evaluate((grid) => grid.scrollTop)).toBe(scrolled);
    fails = false;
    await foot.getByRole("button", { name: "Try again" }).click();
    await foot.getByText(/could not be loaded/).waitFor({ state: "hidden" });
    await end();
    await expect.poll(async () => Number((await foot.getByText(/loaded$/).textContent())!.replace(/\D/g, ""))).toBeGreaterThan(100);
  });

  it("stops where looking for rows took long, and looks on when it is told to", async () => {
    const { page } = await visit(browser, server, "/icon.svg");
    const asked: (string | undefined)[] = [];
    await page.route("**/events/rows/search", async (route) => {
      const { cursor } = route.request().postDataJSON() as { cursor?: string };
      asked.push(cursor);
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), ...(cursor === undefined && { stopped: "time" }) } });
    });
    await page.goto(server.url + at("events"));
    const foot = page.locator(".page-foot");
    await foot.getByText("The search took long and stopped before the end.").waitFor();
    await foot.getByText("100 loaded").waitFor();
    const grid = page.getByRole("grid");
    await grid.evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
    await page.locator('.grid-row[aria-rowindex="101"]').waitFor();
    // Requests come in the order in which they are sent: one for the next page would be ahead of that of Refresh.
    const again = page.waitForResponse((answer) => answer.url().endsWith("/events/rows/search") && !("cursor" in (answer.request().postDataJSON() as object)));
    await page.getByRole("button", { name: "Refresh" }).click();
    await again;
    expect(asked).toEqual([undefined, undefined]);
    await foot.getByRole("button", { name: "Search on" }).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await foot.getByRole("button", { name: "Search on" }).click();
    await foot.getByText(/^[2-9]00 loaded$/).waitFor();
    expect(asked[2]).toEqual(expect.any(String));
    expect(await foot.getByRole("button", { name: "Search on" }).count()).toBe(0);
  });

  it("asks again for its first page alone, however far it was read", async () => {
    const { page } = await visit(browser, server, at("events"));
    const grid = page.getByRole("grid");
    await grid.waitFor();
    const loaded = async () => Number((await page.getByText(/^[\d,]+ loaded$/).textContent())!.replace(/\D/g, ""));
    const readOn = async () => {
      const further = async () => {
        await grid.evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
        return loaded();
      };
      await expect.poll(further).toBeGreaterThanOrEqual(400);
      await grid.evaluate((grid) => grid.scrollTo(0, 0));
      await page.waitForLoadState("networkidle");
    };
    await readOn();
    const asked: (string | undefined)[] = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/events/rows/search")) asked.push((request.postDataJSON() as { cursor?: string }).cursor);
    });
    await page.getByRole("button", { name: "Refresh" }).click();
    await expect.poll(loaded).toBe(100);
    await page.waitForLoadState("networkidle");
    expect(asked).toEqual([undefined]);
    await readOn();
    await page.getByRole("link", { name: "Exports" }).click();
    await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    asked.length = 0;
    await page.getByRole("link", { name: "Events" }).first().click();
    await expect.poll(loaded).toBe(100);
    await page.waitForLoadState("networkidle");
    expect(asked).toEqual([undefined]);
  });

  it("forgets what was selected where Back or Forward leads to other rows", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Filter as text" }).click();
    await page.getByRole("textbox", { name: "Filter as text" }).fill('level = "ERROR"');
    await page.keyboard.press("Enter");
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
    const select = async () => {
      await page.locator(".grid-row").first().getByRole("checkbox").click();
      await page.getByText("1 selected").waitFor();
    };
    await select();
    // An open row is no other row.
    await page.locator(".grid-row").nth(1).click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.waitFor();
    await page.goBack();
    await sheet.waitFor({ state: "hidden" });
    expect(await page.getByText("1 selected").count()).toBe(1);
    await page.goBack();
    await expect.poll(() => counted(page)).toBe(EVENTS);
    expect(await page.getByText("1 selected").count()).toBe(0);
    await select();
    await page.goForward();
    await page.goForward();
    await expect.poll(() => counted(page)).toBeLessThan(EVENTS);
    expect(await page.getByText("1 selected").count()).toBe(0);
  });

  it("is moved through with keys", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.getByText("1 selected").waitFor();
    await page.keyboard.press("Enter");
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.waitFor();
    const first = new URL(page.url()).searchParams.get("row");
    await page.keyboard.press("j");
    await expect.poll(() => new URL(page.url()).searchParams.get("row")).not.toBe(first);
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    await page.keyboard.press("/");
    expect(await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("e");
    await page.getByRole("dialog", { name: "Export" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    const help = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await help.getByText("Export the rows that are shown").waitFor();
    // Letters can be switched off, also for the next time; what is no letter stays.
    await help.getByRole("checkbox", { name: "Letters and signs are shortcuts" }).click();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.reload();
    await page.getByRole("grid").waitFor();
    await page.keyboard.press("?");
    await page.keyboard.press("e");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await sheet.waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    expect(await page.locator('.grid-row[aria-rowindex="2"]').getAttribute("data-current")).toBe("");
    // Elsewhere only what does something there is listed.
    await page.goto(server.url + at("exports"));
    await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Keyboard shortcuts" }).click();
    await help.getByText("Next row").waitFor();
    expect(await help.getByText("Select the row").count()).toBe(0);
  });

  it("is searched from every page: with a key, or with the button of the bar", async () => {
    const { page } = await visit(browser, server, at("events"));
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
    const button = page.getByRole("button", { name: "Search rows (/)" });
    // A page that has a search of its own keeps to it.
    await page.goto(server.url + at("traces?search=chat"));
    await page.getByRole("grid").or(page.getByRole("heading", { name: "No row matches" })).waitFor();
    for (const go of [() => page.keyboard.press("/"), () => button.click()]) {
      await page.getByRole("heading", { level: 1 }).click();
      expect(await focused()).not.toBe("Search");
      await go();
      expect(await focused()).toBe("Search");
      expect(new URL(page.url()).pathname).toBe(at("traces"));
    }
    // What is typed takes the place of what was there.
    await page.keyboard.type("assistant");
    expect(await page.getByRole("textbox", { name: "Search" }).inputValue()).toBe("assistant");
    // Others lead to that of the events.
    for (const rest of ["scores", "exports", "integrations", "settings"]) {
      await page.goto(server.url + at(rest));
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.keyboard.press("/");
      await expect.poll(focused, { message: rest }).toBe("Search");
      expect(new URL(page.url()).pathname).toBe(at("events"));
      expect(await page.getByRole("textbox", { name: "Search" }).inputValue()).toBe("");
    }
    // It was asked for once: coming to a page by other ways leaves the focus alone.
    await page.getByRole("link", { name: "Exports" }).click();
    await page.getByRole("heading", { level: 1, name: "Exports" }).waitFor();
    await page.getByRole("link", { name: "Events" }).first().click();
    await page.getByRole("grid").waitFor();
    expect(await focused()).not.toBe("Search");
  });

  it("is one stop for Tab, in which arrows move from cell to cell", async () => {
    const { page } = await visit(browser, server, at("events"));
    const grid = page.getByRole("grid");
    await grid.waitFor();
    await page.getByRole("button", { name: "Filter as text" }).focus();
    await page.keyboard.press("Tab");
    expect(await grid.evaluate((grid) => document.activeElement === grid)).toBe(true);
    // Readers are told of the cell that the table names.
    const here = () =>
      grid.evaluate((grid) => {
        const cell = document.getElementById(grid.getAttribute("aria-activedescendant") ?? "");
        const [box, all] = [cell?.getBoundingClientRect(), grid.getBoundingClientRect()];
        const head = grid.querySelector(".grid-head")!.getBoundingClientRect();
        const seen = box && box.top >= head.bottom - 1 && box.bottom <= all.bottom && box.left >= all.left - 1 && box.right <= all.right + 1;
        return [cell?.getAttribute("role"), cell?.getAttribute("data-column"), cell?.closest(".grid-row")?.getAttribute("aria-rowindex"), seen];
      });
    expect(await here()).toEqual(["gridcell", null, "2", true]);
    for (const key of ["ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key);
    expect(await here()).toEqual(["gridcell", "type", "4", true]);
    await page.keyboard.press("End");
    await expect.poll(here).toEqual(["gridcell", "userId", "4", true]);
    for (let down = 0; down < 3; down += 1) await page.keyboard.press("PageDown");
    await expect.poll(async () => Number((await here())[2])).toBeGreaterThan(20);
    await expect.poll(async () => (await here())[3]).toBe(true);
    await page.keyboard.press("Home");
    for (let up = 0; up < 4; up += 1) await page.keyboard.press("PageUp");
    await expect.poll(here).toEqual(["gridcell", null, "2", true]);
    await page.keyboard.press("Space");
    await page.getByText("1 selected").waitFor();
    await page.locator('.grid-row[aria-rowindex="2"][aria-selected="true"]').waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    // Enter opens the row, Esc leads back to where one was.
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.waitFor();
    expect(await sheet.evaluate((sheet) => document.activeElement === sheet)).toBe(true);
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    expect(await grid.evaluate((grid) => document.activeElement === grid)).toBe(true);
    expect(await here()).toEqual(["gridcell", null, "3", true]);
  });

  it("has columns that keys make wider and narrower", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    const edge = page.getByRole("separator", { name: "Width of Name" });
    const width = async () => Math.round((await edge.locator("..").boundingBox())!.width);
    const before = await width();
    await edge.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await expect.poll(width).toBe(before + 32);
    await page.keyboard.press("ArrowLeft");
    await expect.poll(width).toBe(before + 16);
    expect(Number(await edge.getAttribute("aria-valuenow"))).toBe(before + 16);
  });
});

describe("narrowing", () => {
  it("offers values with their counts, and shows exactly those rows", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.keyboard.press("f");
    await page.getByRole("combobox", { name: "Find a column to filter by" }).fill("level");
    await page.getByRole("option", { name: "Level level" }).click();
    const error = page.getByRole("option", { name: /^ERROR/ });
    const offered = Number((await error.textContent())!.replace(/\D/g, ""));
    await error.click();
    await page.getByRole("button", { name: "Apply" }).click();
    await expect.poll(() => counted(page)).toBe(offered);
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
    // What is edited narrows to itself no more: every value is offered, with as many rows as before.
    await page.locator(".chip").getByText("ERROR").click();
    await page.getByRole("option", { name: /^DEFAULT/ }).waitFor();
    await page.getByRole("option", { name: /^ERROR/ }).getByText(offered.toLocaleString("en-US"), { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    // An alternative beside it makes brackets, and more rows.
    await page.getByRole("button", { name: "Options of level any of ERROR" }).click();
    await page.getByRole("menuitem", { name: "Add an alternative (or)" }).click();
    await page.getByRole("combobox", { name: "Find a column to filter by" }).fill("latency");
    await page.getByRole("option", { name: /^Latency/ }).click();
    await page.getByLabel("Operator").selectOption(">");
    await page.getByLabel("Number").fill("20");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("group", { name: "(level any of ERROR or latency > 20)" }).waitFor();
    await expect.poll(() => counted(page)).toBeGreaterThan(offered);
    const either = await counted(page);
    // The complement holds every other row.
    await page.getByRole("button", { name: "Options of (level any of ERROR or latency > 20)" }).click();
    await page.getByRole("menuitem", { name: "Turn round (not)" }).click();
    await expect.poll(() => counted(page)).toBe(EVENTS - either);
  });

  it("names keys of metadata and their values", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByRole("combobox", { name: "Find a column to filter by" }).fill("metadata");
    await page.getByRole("option", { name: "Metadata metadata" }).click();
    await page.getByRole("option", { name: /^region/ }).click();
    await page.getByLabel("Operator").selectOption("=");
    await page.getByRole("combobox", { name: "Value" }).fill("eu");
    const offer = page.getByRole("option", { name: /^eu-central-1/ });
    const offered = Number((await offer.locator(".number").textContent())!.replace(/\D/g, ""));
    await offer.click();
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("Metadata.region").waitFor();
    await expect.poll(() => counted(page)).toBe(offered);
  });

  it("takes what was typed, or a suggestion that arrows lead to", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.keyboard.press("f");
    await page.keyboard.type("metadata");
    await page.keyboard.press("Enter");
    const key = page.getByRole("combobox", { name: "Name of the key" }).or(page.getByRole("combobox", { name: "Key" }));
    await key.pressSequentially("reg");
    // What does not match goes once the answer is there.
    await expect.poll(() => page.locator("ul").getByRole("option").allTextContents()).toEqual([expect.stringMatching(/^region/)]);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    expect(await key.inputValue()).toBe("region");
    await page.getByLabel("Operator").selectOption("=");
    const value = page.getByRole("combobox", { name: "Value" });
    await value.pressSequentially("eu-c");
    await expect.poll(() => page.locator("ul").getByRole("option").allTextContents()).toEqual([expect.stringMatching(/^eu-central-1/)]);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    expect(await value.inputValue()).toBe("eu-central-1");
    await page.keyboard.press("Enter");
    const chip = page.locator(".chip");
    await chip.getByText("eu-central-1").waitFor();
    // Without an arrow it is what was typed.
    await chip.getByText("eu-central-1").click();
    await value.fill("eu-c");
    await page.getByRole("option", { name: /^eu-central-1/ }).waitFor();
    await page.keyboard.press("Enter");
    await chip.getByText("eu-c", { exact: true }).waitFor();
  });

  it("is by what the address says, percent signs and quotes too", async () => {
    const { page, complaints } = await visit(browser, server, at("events"));
    const asked = () => page.waitForRequest((request) => request.url().endsWith("/rows/search"));
    const search = "foo%20bar%";
    const filter = [{ type: "string", column: "name", operator: "=", value: 'a%22"%2C' }];
    const query = new URLSearchParams({ search, filter: JSON.stringify(filter) });
    for (const go of [() => page.goto(server.url + at(`events?${query}`)), () => page.reload()]) {
      const [request] = await Promise.all([asked(), go()]);
      expect(request.postDataJSON()).toMatchObject({ search, filter });
      await page.locator(".chip").getByText('a%22"%2C').waitFor();
      expect(await page.getByRole("textbox", { name: "Search" }).inputValue()).toBe(search);
    }
    // What is typed comes back the same.
    await page.getByRole("textbox", { name: "Search" }).fill("100%25");
    await expect.poll(() => new URL(page.url()).searchParams.get("search")).toBe("100%25");
    const [request] = await Promise.all([asked(), page.reload()]);
    expect(request.postDataJSON()).toMatchObject({ search: "100%25", filter });
    expect(complaints).toEqual([]);
  });

  it("asks for suggestions and sizes once typing has paused, not for every letter", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url().split("/").at(-1)!));
    const of = (call: string) => asked.filter((one) => one === call).length;
    await page.keyboard.press("f");
    await page.getByRole("combobox", { name: "Find a column to filter by" }).fill("metadata");
    await page.getByRole("option", { name: "Metadata metadata" }).click();
    await page.getByRole("option", { name: /^region/ }).waitFor();
    await page.waitForLoadState("networkidle");
    asked.length = 0;
    await page.getByRole("combobox", { name: "Name of the key" }).or(page.getByRole("combobox", { name: "Key" })).pressSequentially("regio", { delay: 30 });
    await expect.poll(() => page.locator("ul").getByRole("option").allTextContents()).toEqual([expect.stringMatching(/^region/)]);
    expect(of("facets")).toBeLessThanOrEqual(2);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByText(/^≤ /).waitFor();
    await page.getByRole("button", { name: "More" }).click();
    await page.waitForLoadState("networkidle");
    asked.length = 0;
    await page.getByLabel("Mask", { exact: true }).pressSequentially("input:redact", { delay: 30 });
    await expect.poll(() => of("estimate")).toBeGreaterThan(0);
    await page.waitForTimeout(600);
    expect(of("estimate")).toBeLessThanOrEqual(2);
  });

  it("explains filters that cannot be honoured where they stand", async () => {
    const pasted = encodeURIComponent(JSON.stringify([{ type: "string", column: "nonsense", operator: "=", value: "x" }]));
    const { page } = await visit(browser, server, at(`events?filter=${pasted}`));
    await page.getByText("nonsense cannot be filtered by here").first().waitFor({ state: "attached" });
    await page.getByText('has no column "nonsense"').first().waitFor();
    await page.goto(server.url + at(`events?where=${encodeURIComponent("levl = 'ERROR'")}`));
    await page.getByText('did you mean "level"').first().waitFor();
  });

  it("marks of several texts only those that are refused, each with its reason", async () => {
    const texts = ['level = "ERROR"', 'levl = "ERROR"', "input matches '!'", "latency > 1"];
    const query = texts.map((text) => `where=${encodeURIComponent(text)}`).join("&");
    const { page } = await visit(browser, server, at(`events?${query}`));
    const chips = page.locator(".chip");
    const wrong = page.locator(".chip[data-wrong]");
    await expect.poll(() => chips.count()).toBe(4);
    await expect.poll(async () => (await wrong.locator("code").allTextContents()).map((text) => text.trim())).toEqual([texts[1], texts[2]]);
    const reasons = page.locator(".chip-problem");
    expect(await reasons.allTextContents()).toEqual([
      expect.stringContaining('did you mean "level"'),
      expect.stringContaining("at least one letter or digit"),
    ]);
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByRole("button", { name: `Remove ${texts[1]!}` }).click();
    await expect.poll(async () => (await wrong.locator("code").allTextContents()).map((text) => text.trim())).toEqual([texts[2]]);
    await page.getByRole("button", { name: `Remove ${texts[2]!}` }).click();
    await expect.poll(() => wrong.count()).toBe(0);
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
  });

  it("shows nothing, and exports nothing, while a filter of the address cannot be read", async () => {
    const good = { type: "stringOptions", column: "level", operator: "any of", value: ["ERROR"] };
    const { page, complaints } = await visit(browser, server, at("events"));
    for (const broken of ["[{", JSON.stringify({ type: "or" }), JSON.stringify([good, { type: "not" }])]) {
      await page.goto(server.url + at(`events?filter=${encodeURIComponent(broken)}`));
      await page.getByRole("heading", { name: "A filter of this address cannot be read" }).waitFor();
      await page.waitForLoadState("networkidle");
      expect(await page.locator(".grid-row").count(), broken).toBe(0);
      expect(await page.getByRole("button", { name: "Export", exact: true }).isDisabled()).toBe(true);
      expect(await accessibilityProblems(page)).toEqual([]);
    }
    // What could be read still holds once the rest is removed.
    await page.getByRole("button", { name: 'Remove {"type":"not"}' }).click();
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
    expect(await counted(page)).toBeLessThan(EVENTS);
    expect(complaints).toEqual([]);
  });

  it("takes filters as text", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("button", { name: "Filter as text" }).click();
    await page.getByRole("textbox", { name: "Filter as text" }).fill('level = "ERROR"');
    await page.keyboard.press("Enter");
    await expect.poll(() => counted(page)).toBeLessThan(EVENTS);
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
  });

  it("says nothing of how many rows there are until those that are meant are counted", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    expect(await counted(page)).toBe(EVENTS);
    let release = () => {};
    const held = new Promise<void>((done) => (release = done));
    onTestFinished(release);
    await page.route("**/events/histogram", async (route) => {
      await held;
      await route.continue();
    });
    await page.getByRole("button", { name: "Filter as text" }).click();
    await page.getByRole("textbox", { name: "Filter as text" }).fill('level = "ERROR"');
    await page.keyboard.press("Enter");
    await expect.poll(async () => [...new Set(await cells(page, "level"))]).toEqual(["ERROR"]);
    const foot = page.locator(".page-foot");
    await foot.getByText("counting rows").waitFor();
    expect(await foot.getByText(/^[\d,]+ rows?$/).count()).toBe(0);
    release();
    await expect.poll(() => counted(page)).toBeLessThan(EVENTS);
  });

  it("searches where it is told to", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("textbox", { name: "Search" }).fill("search_orders");
    await expect.poll(() => counted(page)).toBeLessThan(EVENTS);
    await expect.poll(() => cells(page, "name")).toContain("search_orders");
    await page.getByRole("textbox", { name: "Search" }).fill("assistant");
    await page.getByRole("heading", { name: "No row matches" }).waitFor();
    await page.getByRole("button", { name: /^Search in/ }).click();
    await page.getByRole("menuitemcheckbox", { name: "Output", exact: true }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("grid").waitFor();
    expect(page.url()).toContain("in=id%2Coutput");
  });

  it("zooms to bars that are dragged over", async () => {
    const { page } = await visit(browser, server, at("events"));
    const plot = page.getByRole("img", { name: /^Rows over time/ });
    const box = (await plot.boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.4, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 30, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => counted(page)).toBeLessThan(EVENTS / 2);
    expect(page.url()).toMatch(/since=.*until=/);
    await page.getByRole("button", { name: /^Time range/ }).click();
    await page.getByRole("button", { name: "All time" }).click();
    await expect.poll(() => counted(page)).toBe(EVENTS);
    // Bars are by start time, also where what is shown was narrowed by when it was stored.
    await page.goto(server.url + at("events?since=2026-01-01&timestamp=ingested"));
    await expect.poll(() => counted(page)).toBe(EVENTS);
    await plot.waitFor();
    const middle = { x: box.x + box.width * 0.5, y: box.y + 30 };
    await page.mouse.move(middle.x - 100, middle.y);
    await page.mouse.down();
    await page.mouse.move(middle.x + 100, middle.y, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => page.url()).not.toContain("timestamp=");
    const zoomed = () => counted(page);
    await expect.poll(zoomed).toBeLessThan(EVENTS / 2);
    expect(await zoomed()).toBeGreaterThan(0);
  });

  it("says in the place of bars that they could not be counted, and below the rows which of them are not complete", async () => {
    const { page } = await visit(browser, server, "/icon.svg");
    const refused = { status: 409, contentType: "application/json", body: '{"detail":"the store is being moved"}' };
    let comesTo: "nothing" | "all" | "part" = "nothing";
    await page.route("**/events/histogram", async (route) => {
      if (comesTo === "nothing") return route.fulfill(refused);
      const answer = await route.fetch();
      const whole = (await answer.json()) as { bars: { from: string }[] };
      await route.fulfill({ response: answer, json: comesTo === "all" ? whole : { ...whole, stopped: "time", completeFrom: whole.bars.at(-1)!.from } });
    });
    await page.goto(server.url + at("events"));
    const failed = page.getByRole("alert").filter({ hasText: "Rows over time could not be counted: the store is being moved" });
    await failed.waitFor();
    const grid = page.getByRole("grid");
    await grid.waitFor();
    const top = async () => (await grid.boundingBox())!.y;
    const before = await top();
    const foot = page.locator(".page-foot");
    await foot.getByText("not counted").waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    comesTo = "all";
    await failed.getByRole("button", { name: "Try again" }).click();
    const plot = page.getByRole("img", { name: /^Rows over time/ });
    await plot.waitFor();
    expect(await counted(page)).toBe(EVENTS);
    expect([await failed.count(), await top()]).toEqual([0, before]);
    comesTo = "part";
    await page.getByRole("button", { name: "Refresh" }).click();
    await foot.getByText(`at least ${EVENTS.toLocaleString("en-US")} rows`).waitFor();
    await foot.getByText("Older bars are not complete: counting took too long.").waitFor();
    await page.locator(".bar-rect[data-partial]").first().waitFor();
    expect(await top()).toBe(before);
  });

  it("takes times in the zone of the user, or in UTC", async () => {
    const { page } = await visit(browser, server, at("events?since=2026-06-20T10:00:00.000Z"), { zone: "Asia/Tokyo" });
    await page.getByRole("button", { name: /^Time range/ }).click();
    const from = page.getByLabel("From");
    expect(await from.inputValue()).toBe("2026-06-20T19:00");
    await page.getByLabel("Zone").selectOption({ label: "UTC" });
    expect(await from.inputValue()).toBe("2026-06-20T10:00");
    await from.fill("2026-06-21T12:30");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get("since")).toBe("2026-06-21T12:30:00.000Z");
  });

  it("keeps the bound that is not touched, whatever it is", async () => {
    const { page } = await visit(browser, server, at("events?since=2026-06-20&until=-1h"));
    const open = () => page.getByRole("button", { name: /^Time range/ }).click();
    const bounds = () => ["since", "until"].map((name) => new URL(page.url()).searchParams.get(name));
    await open();
    expect(await page.getByLabel("From").inputValue()).toBe("2026-06-20T00:00");
    await page.getByText("-1h, held against now, stays").waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.getByLabel("From").fill("2026-06-19T12:30");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect.poll(bounds).toEqual(["2026-06-19T12:30:00.000Z", "-1h"]);
    // Nor are parts of seconds cut, which dragging over bars enters.
    await page.goto(server.url + at("events?since=2026-06-20T10:00:00.123Z"));
    await open();
    await page.getByLabel("Zone").selectOption("utc");
    await page.getByLabel("To, not included").fill("2026-06-21T00:00");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect.poll(bounds).toEqual(["2026-06-20T10:00:00.123Z", "2026-06-21T00:00:00.000Z"]);
  });

  it("offers spans of time up to now, and shows the rows of each", async () => {
    const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
    const ages = [5 * minute, 30 * minute, 3 * hour, 12 * hour, 3 * day, 20 * day, 60 * day, 200 * day];
    const now = Date.now();
    const rows = ages.map((age, row) => ({ id: `row-${row}`, traceId: `trace-${row}`, name: "answer", type: "SPAN", startTime: new Date(now - age).toISOString() }));
    const own = await Server.withRows(0, { import: rows });
    onTestFinished(() => own.close());
    const { page } = await visit(browser, own, at("events"));
    await expect.poll(() => counted(page)).toBe(ages.length);
    const spans = ["15 minutes", "hour", "6 hours", "24 hours", "7 days", "30 days", "90 days"].map((span) => `Last ${span}`);
    let title = "All time";
    for (const [index, span] of spans.entries()) {
      await page.getByRole("button", { name: `Time range: ${title}` }).click();
      await page.getByRole("button", { name: span, exact: true }).click();
      title = span;
      await page.getByRole("button", { name: `Time range: ${title}` }).waitFor();
      await expect.poll(() => counted(page), { message: span }).toBe(index + 1);
      await expect.poll(() => page.locator(".grid-row").count(), { message: span }).toBe(index + 1);
    }
    // A link goes on to say how long ago, not since when; and what is exported is what is shown.
    expect(new URL(page.url()).searchParams.get("since")).toBe("-90d");
    await page.reload();
    await expect.poll(() => counted(page)).toBe(spans.length);
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: `Export ${spans.length} rows` }).click();
    await page.getByRole("link", { name: "View export" }).click();
    await page.getByText(`Completed: ${spans.length} rows`).waitFor();
    await page.goto(own.url + at("events?since=-90d"));
    await page.getByRole("button", { name: "Time range: Last 90 days" }).click();
    await page.getByRole("button", { name: "All time" }).click();
    await expect.poll(() => counted(page)).toBe(ages.length);
  });

  it("says when nothing matches, and clears everything at once", async () => {
    const { page } = await visit(browser, server, at("events?search=no-such-thing&since=2026-06-20"));
    await page.getByRole("heading", { name: "No row matches" }).waitFor();
    await page.getByRole("button", { name: "Remove filters, search and time range" }).click();
    await expect.poll(() => counted(page)).toBe(EVENTS);
  });
});

describe("a row", () => {
  it("is read as chat, as a tree, and with what others said", async () => {
    const filter = encodeURIComponent(JSON.stringify([{ type: "stringOptions", column: "type", operator: "any of", value: ["GENERATION"] }]));
    const { page } = await visit(browser, server, at(`events?filter=${filter}`));
    await page.locator(".grid-row").first().click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.getByRole("tab", { name: "Messages" }).waitFor();
    await sheet.getByText("user", { exact: true }).first().waitFor();
    await sheet.getByRole("tab", { name: "Input" }).click();
    await sheet.getByText("messages:").waitFor();
    await sheet.getByRole("tab", { name: "Comments" }).click();
    await sheet.getByRole("textbox", { name: "Comment" }).fill("Look at the second call.\n<b>not bold</b>");
    await page.keyboard.press("Escape");
    expect(await sheet.getByRole("textbox", { name: "Comment" }).inputValue()).toContain("second call");
    await sheet.getByRole("button", { name: "Add comment" }).click();
    await sheet.getByText("<b>not bold</b>").waitFor();
    // The link alone shows the same.
    await page.reload();
    await sheet.getByText("<b>not bold</b>").waitFor();
    await sheet.getByRole("tab", { name: "Raw" }).click();
    await sheet.getByText("Parent observation ID").waitFor();
  });

  it("of a link has its place in the list, from which keys go on", async () => {
    const { page } = await visit(browser, server, at("events"));
    const rowOf = () => new URL(page.url()).searchParams.get("row");
    await page.locator(".grid-row").nth(4).click();
    const fifth = rowOf();
    await page.keyboard.press("j");
    await expect.poll(rowOf).not.toBe(fifth);
    const sixth = rowOf();
    await page.goto(server.url + at(`events?row=${fifth}`));
    await page.locator('.grid-row[data-current][aria-rowindex="6"]').waitFor();
    await page.keyboard.press("j");
    await expect.poll(rowOf).toBe(sixth);
    await page.keyboard.press("Escape");
    await page.locator('.grid-row[data-current][aria-rowindex="7"]').waitFor();
  });

  it("that is gone is said to be", async () => {
    const { page } = await visit(browser, server, at("events?row=bm9uc2Vuc2U"));
    await page.getByRole("complementary", { name: "Row" }).getByRole("heading", { name: "There is no such row" }).waitFor();
  });
});

/** Cells of the other tables that are shown as they are stored, and the time. */
const SHOWN: Record<string, string[]> = {
  traces: ["timestamp", "id", "name", "userId", "sessionId", "observationCount", "tags"],
  observations: ["startTime", "id", "traceId", "name", "type", "model"],
  scores: ["timestamp", "id", "name", "dataType", "value", "stringValue", "source", "comment", "traceId", "observationId"],
};

/** Rows at the top that are compared: those that fit. */
const TOP = 12;

interface Listed {
  rows: { cells: Record<string, unknown> }[];
}

/** A cell as it stands in the table. */
function shownAs(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumSignificantDigits: 12 });
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** Some tables write times without a zone; those are UTC. */
function instantOf(text: string): string {
  return new Date(text.endsWith("Z") ? text : `${text.replace(" ", "T")}Z`).toISOString();
}

/** Heads of the tables until other columns are chosen. */
const USUAL: Record<string, string[]> = {
  traces: ["Timestamp", "Name", "User ID", "Session ID", "Latency", "Total cost", "Observation count", "Input", "Output", "Tags"],
  observations: ["Start time", "Type", "Name", "Level", "Latency", "Total cost", "Model", "Input", "Output", "Trace name"],
  scores: ["Timestamp", "Name", "Data type", "Value", "String value", "Source", "Comment", "Trace name", "Trace ID", "Observation ID"],
  sessions: ["Created at", "ID", "Count traces", "Session duration", "Total cost", "Total tokens", "User ids", "Trace tags"],
};

describe("the other tables", () => {
  for (const [name, columns] of Object.entries(SHOWN)) {
    it(`${name} have the values that the API tells`, async () => {
      const { rows } = await server.ask<Listed>(`tables/${name}/rows/search`, { columns, limit: TOP });
      const [time, ...others] = columns as [string, ...string[]];
      const { page } = await visit(browser, server, at(`${name}?columns=${columns.join(",")}`));
      await page.getByRole("heading", { level: 1 }).waitFor();
      const drawn = page.locator(".grid-row");
      await expect.poll(() => drawn.count()).toBeGreaterThanOrEqual(TOP);
      const shown = await drawn.evaluateAll(
        (all, [time, others, top]) =>
          all.slice(0, top).map((row) => ({
            time: row.querySelector(`[data-column="${time}"] time`)?.getAttribute("datetime"),
            cells: others.map((column) => row.querySelector(`[data-column="${column}"]`)?.textContent),
          })),
        [time, others, TOP] as const,
      );
      const expected = rows.map(({ cells }) => ({
        time: instantOf(String(cells[time])),
        cells: others.map((column) => shownAs(cells[column])),
      }));
      expect(shown).toEqual(expected);
    });
  }

  it("scores of a trace are in its sheet, with their values", async () => {
    const [first] = (await server.ask<Listed>("tables/scores/rows/search", { limit: 1 })).rows;
    const traceId = String(first!.cells["traceId"]);
    const filter = [{ type: "string", column: "traceId", operator: "=", value: traceId }];
    const { rows } = await server.ask<Listed>("tables/scores/rows/search", { filter, limit: 200 });
    const ofTrace = encodeURIComponent(JSON.stringify([{ type: "string", column: "id", operator: "=", value: traceId }]));
    const { page } = await visit(browser, server, at(`traces?filter=${ofTrace}`));
    await page.locator(".grid-row").first().click();
    const sheet = page.getByRole("complementary", { name: "Row" });
    await sheet.getByRole("tab", { name: "Scores" }).click();
    const lines = sheet.getByRole("table").getByRole("row");
    await expect.poll(() => lines.count()).toBe(rows.length);
    const told = await lines.evaluateAll((all) => (all as HTMLTableRowElement[]).map(({ cells }) => [cells[0]!.firstChild!.textContent, cells[1]!.textContent, cells[2]!.textContent]));
    const value = (cells: Record<string, unknown>) => shownAs(cells["stringValue"] || cells["value"]);
    expect(told.sort()).toEqual(rows.map(({ cells }) => [cells["name"], value(cells), cells["source"]]).sort());
  });

  for (const [name, heads] of Object.entries(USUAL)) {
    it(`${name} show rows and their count`, async () => {
      const { page, complaints } = await visit(browser, server, at(name));
      await page.getByRole("grid").waitFor();
      expect(await counted(page)).toBeGreaterThan(10);
      expect(await page.locator(".grid-th .clip").allTextContents()).toEqual(heads);
      for (const column of ["latency", "latencyMs", "sessionDuration"]) {
        for (const took of (await cells(page, column)).filter(Boolean)) expect(took).toMatch(/^(\d+ ms|\d+\.\d+ s|\d+ min \d+ s|\d+ h \d+ min)$/);
      }
      await page.locator(".grid-row").first().click();
      await page.getByRole("complementary", { name: "Row" }).getByRole("tab", { name: "Raw" }).waitFor();
      expect(complaints).toEqual([]);
    });
  }
});
