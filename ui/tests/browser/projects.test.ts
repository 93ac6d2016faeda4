import type { APIRequestContext, Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { accessibilityProblems, launch, visit } from "./support/browser";
import { OWNER, Server } from "./support/server";

let browser: Browser;
let server: Server;

/** More than there are in a page of the API. */
const PROJECTS = 230;

interface Page {
  items: { id: string; name: string }[];
  next: string | null;
}

/** A project that is not in the first page of the API. */
let beyond: Page["items"][number];

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(0)]);
  const context = await browser.newContext();
  await makeProjects(context.request);
  const first = await pageOf(context.request, "limit=200");
  expect([first.items.length, first.next]).toEqual([200, expect.any(String)]);
  const second = await pageOf(context.request, `limit=200&cursor=${first.next}`);
  beyond = second.items.at(-1)!;
  await context.close();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function makeProjects(request: APIRequestContext): Promise<void> {
  const begun = await request.post(`${server.url}/api/v1/session`, { data: OWNER });
  const { csrfToken } = (await begun.json()) as { csrfToken: string };
  for (let index = 0; index < PROJECTS; index += 1) {
    const id = `team-${String(index).padStart(3, "0")}`;
    const made = await request.post(`${server.url}/api/v1/projects`, { data: { id, name: `The ${index}.` }, headers: { "x-csrf-token": csrfToken } });
    expect(made.status(), id).toBe(201);
  }
}

async function pageOf(request: APIRequestContext, query: string): Promise<Page> {
  return (await (await request.get(`${server.url}/api/v1/projects?${query}`)).json()) as Page;
}

describe("many projects", () => {
  it("are all reached: by their address, in the switcher, on the page of projects", async () => {
    const { page, complaints } = await visit(browser, server, `/projects/${beyond.id}/events`);
    await page.getByRole("heading", { name: "No events yet" }).waitFor();
    const switcher = page.getByRole("button", { name: `Switch project: ${beyond.name}` });
    await switcher.click();
    const menu = page.getByRole("menu");
    const items = () => menu.getByRole("menuitem").count();
    // The last two lead to more of them, and to the page of all.
    expect(await items()).toBe(202);
    await menu.getByRole("menuitem", { name: "Show more projects" }).click();
    await expect.poll(items).toBe(PROJECTS + 2);
    await menu.getByRole("menuitem", { name: "The 7.", exact: false }).filter({ hasText: "team-007" }).click();
    await page.getByRole("button", { name: "Switch project: The 7." }).waitFor();
    // The one that was left last is opened again, wherever it is in the list.
    await page.goto(`${server.url}/projects/${beyond.id}/exports`);
    await page.getByRole("heading", { name: "No exports yet" }).waitFor();
    await page.goto(server.url);
    await page.waitForURL(`**/projects/${beyond.id}/events`);
    expect(complaints).toEqual([]);
  });

  it("are found by a part of their name or id", async () => {
    const { page } = await visit(browser, server, "/projects");
    const rows = page.getByRole("table").getByRole("row");
    await expect.poll(() => rows.count()).toBe(200);
    expect(await accessibilityProblems(page)).toEqual([]);
    const find = page.getByLabel("Find a project");
    await find.fill(beyond.id.toUpperCase());
    await page.getByRole("link", { name: beyond.name, exact: true }).waitFor();
    expect(await rows.count()).toBe(1);
    await find.fill("no such team");
    await page.getByText("No project has this name or id.").waitFor();
    await find.fill("");
    await expect.poll(() => rows.count()).toBe(PROJECTS + 1);
    expect(await page.getByRole("button", { name: "Show more projects" }).count()).toBe(0);
  });

  it("that are not there are said not to be", async () => {
    const { page } = await visit(browser, server, "/projects/nobodys/events");
    await page.getByRole("heading", { name: "You may not see this" }).waitFor();
  });
});

describe("a project", () => {
  it("may be called anything, and is deleted by whoever types what it is called", async () => {
    const id = "100% ours";
    const address = `/projects/${encodeURIComponent(id)}`;
    const { page, complaints } = await visit(browser, server, "/projects");
    await page.getByLabel("Id", { exact: true }).fill(id);
    await page.getByRole("button", { name: "Create project" }).click();
    await page.getByRole("heading", { name: "No events yet" }).waitFor();
    // Nothing leads to the page that one is at.
    const crumbs = page.getByRole("navigation", { name: "Breadcrumb" });
    await crumbs.locator('[aria-current="page"]').getByText("Events").waitFor();
    await page.goto(server.url + address);
    await page.waitForURL(`**${address}/events`);
    await page.getByRole("link", { name: "Exports" }).click();
    await page.getByRole("heading", { name: "No exports yet" }).waitFor();
    await page.keyboard.press("/");
    const search = page.getByRole("textbox", { name: "Search" });
    await expect.poll(() => search.evaluate((field) => document.activeElement === field)).toBe(true);
    await page.keyboard.type("chat");
    await page.getByRole("heading", { name: "No row matches" }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`${address}/events`);
    await page.reload();
    await page.getByRole("heading", { name: "No row matches" }).waitFor();
    expect(await search.inputValue()).toBe("chat");
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Delete project" }).click();
    const question = page.getByRole("alertdialog", { name: `Delete the project ${id}` });
    const verb = question.getByRole("button", { name: "Delete project" });
    const typed = question.getByLabel(`Type ${id} to go on`);
    for (const text of ["", "100%", "100% Ours"]) {
      await typed.fill(text);
      expect(await verb.isDisabled(), text).toBe(true);
    }
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await typed.fill(id);
    await verb.click();
    await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
    await page.goto(server.url + address);
    await page.getByRole("heading", { name: "You may not see this" }).waitFor();
  });
});
