import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { at, launch, visit } from "./support/browser";
import { OWNER, Server, VIEWER } from "./support/server";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(200)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

describe("a new server", () => {
  it("is set up with the link that it prints", async () => {
    const empty = await Server.empty();
    onTestFinished(() => empty.close());
    const { page } = await visit(browser, empty, new URL(empty.setUpLink!).pathname + new URL(empty.setUpLink!).hash, { who: null });
    await page.getByLabel("Address").fill("grace@example.com");
    await page.getByLabel("Name").fill("Grace Hopper");
    await page.getByLabel("Password").fill("a long enough one");
    await page.getByRole("button", { name: "Make account" }).click();
    // Nobody has a project yet: the page says how one is made.
    await page.getByRole("heading", { name: "You are not a member of any project" }).waitFor();
    await page.getByLabel("Id").fill("first");
    await page.getByRole("button", { name: "Create project" }).click();
    await page.getByRole("heading", { name: "No events yet" }).waitFor();
    await page.getByText("outgest generate --project first").waitFor();
  });

  it("says that a link is incomplete", async () => {
    const { page } = await visit(browser, server, "/invitation", { who: null });
    await page.getByRole("heading", { name: "This link is incomplete" }).waitFor();
  });
});

describe("signing in", () => {
  it("leads to the page that was asked for, after a wrong password too", async () => {
    const { page } = await visit(browser, server, at("events?search=chat"), { who: null });
    await page.getByLabel("Address").fill(OWNER.email);
    await page.getByLabel("Password").fill("something else");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("address or password are wrong").waitFor();
    await page.getByLabel("Password").fill(OWNER.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("grid").waitFor();
    expect(page.url()).toContain("search=chat");
  });

  it("is asked for again when the session has ended, and nothing is lost", async () => {
    const { page, context } = await visit(browser, server, at("events?search=chat"));
    await page.getByRole("grid").waitFor();
    await context.clearCookies();
    await page.getByRole("button", { name: "Refresh" }).click();
    await page.getByText("Your session has ended").waitFor();
    await page.getByLabel("Address").fill(OWNER.email);
    await page.getByLabel("Password").fill(OWNER.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("grid").waitFor();
    expect(await page.getByRole("textbox", { name: "Search" }).inputValue()).toBe("chat");
  });

  it("ends with signing out", async () => {
    const { page, context } = await visit(browser, server, at("events"));
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Outgest" }).waitFor();
    expect((await context.request.get(`${server.url}/api/v1/session`)).status()).toBe(401);
  });
});

describe("a viewer", () => {
  it("looks, and is told who can give them more", async () => {
    const { page } = await visit(browser, server, at("events"), { who: VIEWER });
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export" }).click();
    await page.getByText("to export you need the role member").waitFor();
    await page.goto(server.url + at("settings", "keys"));
    await page.getByRole("heading", { name: "You may not see this" }).waitFor();
    await page.getByText("ask an owner of the project").waitFor();
  });

  it("cannot see projects of others", async () => {
    const { page } = await visit(browser, server, "/projects/somebody-elses/events", { who: VIEWER });
    await page.getByRole("heading", { name: "You may not see this" }).waitFor();
  });
});

describe("a server that is down", () => {
  it("is said to be, and the page goes on when it is back", async () => {
    const own = await Server.withRows(50);
    onTestFinished(() => own.close());
    const { page } = await visit(browser, own, at("events"));
    await page.getByRole("grid").waitFor();
    await own.stop();
    await page.getByRole("textbox", { name: "Search" }).fill("chat");
    await page.getByRole("heading", { name: "The server cannot be reached" }).waitFor();
    expect(await page.getByRole("textbox", { name: "Search" }).inputValue()).toBe("chat");
    await own.start();
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("grid").or(page.getByRole("heading", { name: "No row matches" })).waitFor();
  });
});
