import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { accessibilityProblems, at, launch, visit } from "./support/browser";
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

  it("keeps what was typed for whoever it was, and asks for nothing meanwhile", async () => {
    const { page, context } = await visit(browser, server, "/icon.svg");
    await page.clock.install();
    await page.goto(server.url + at("integrations", "new"));
    await page.getByLabel("Name", { exact: true }).fill("To the lake");
    await page.getByLabel("Bucket", { exact: true }).fill("exports");
    await context.clearCookies();
    await page.getByRole("button", { name: "Create integration" }).click();
    const again = page.getByRole("dialog", { name: "Sign in to Outgest" });
    await again.getByText("Your session has ended").waitFor();
    expect(await page.title()).toContain("Sign in");
    expect(await accessibilityProblems(page)).toEqual([]);
    // What is below is out of reach: for keys, and for whoever tabs.
    await page.keyboard.press("Escape");
    await page.keyboard.press("Escape");
    await again.waitFor();
    for (let stop = 0; stop < 8; stop += 1) {
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement?.closest(".kept") ?? null)).toBe(null);
    }
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.clock.runFor(120_000);
    expect(asked).toEqual([]);
    await page.getByLabel("E-mail address").fill(OWNER.email);
    await page.getByLabel("Password").fill(OWNER.password);
    await again.getByRole("button", { name: "Sign in" }).click();
    await again.waitFor({ state: "detached" });
    expect(await page.getByLabel("Name", { exact: true }).inputValue()).toBe("To the lake");
    expect(await page.getByLabel("Bucket", { exact: true }).inputValue()).toBe("exports");
    expect(await page.title()).toContain("Integrations");
    await page.getByRole("heading", { level: 1, name: "New integration" }).waitFor();
    // Somebody else begins anew.
    await context.clearCookies();
    await page.getByRole("button", { name: "Create integration" }).click();
    await page.getByLabel("E-mail address").fill(VIEWER.email);
    await page.getByLabel("Password").fill(VIEWER.password);
    await again.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Owners of the project make and change integrations" }).waitFor();
    expect(await page.getByLabel("Bucket", { exact: true }).count()).toBe(0);
  });

  it("keeps what floats above the page, too", async () => {
    const { page, context } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await page.getByRole("button", { name: "Export", exact: true }).click();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByLabel("Rows at most").fill("70");
    await page.getByText(/^≤ 70 rows/).waitFor();
    await context.clearCookies();
    await page.getByRole("button", { name: "Export 70 rows" }).click();
    await page.getByText("Your session has ended").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("E-mail address").fill(OWNER.email);
    await page.getByLabel("Password").fill(OWNER.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Sign in to Outgest" }).waitFor({ state: "hidden" });
    expect(await page.getByLabel("Rows at most").inputValue()).toBe("70");
    await page.getByRole("button", { name: "Export 70 rows" }).click();
    await page.getByRole("link", { name: "View export" }).waitFor();
  });

  it("asks again and again for lists only while somebody is there", async () => {
    const { page, context } = await visit(browser, server, "/icon.svg");
    await page.clock.install();
    await page.goto(server.url + at("exports"));
    await page.getByRole("status").getByText(/exports?$/).waitFor();
    await context.clearCookies();
    await page.clock.runFor(16_000);
    await page.getByText("Your session has ended").waitFor();
    await page.waitForLoadState("networkidle");
    let asked = 0;
    page.on("request", () => (asked += 1));
    await page.clock.runFor(120_000);
    expect(asked).toBe(0);
    await page.getByLabel("E-mail address").fill(OWNER.email);
    await page.getByLabel("Password").fill(OWNER.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("status").getByText(/exports?$/).waitFor();
    const before = asked;
    await page.clock.runFor(16_000);
    await expect.poll(() => asked).toBeGreaterThan(before);
  });

  it("in another tab leaves this one as it is, for the same person", async () => {
    const { page, context } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    await context.request.post(`${server.url}/api/v1/session`, { data: OWNER });
    const answered = page.waitForResponse((answer) => answer.url().endsWith("/rows/search") && answer.status() === 200);
    await page.getByRole("textbox", { name: "Search" }).fill("chat");
    await answered;
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByText(OWNER.email).waitFor();
    await page.keyboard.press("Escape");
    // Somebody else's makes it theirs.
    await context.request.post(`${server.url}/api/v1/session`, { data: VIEWER });
    await page.getByRole("textbox", { name: "Search" }).fill("");
    await expect.poll(async () => {
      await page.getByRole("button", { name: "Account" }).click();
      const isTheirs = (await page.getByText(VIEWER.email).count()) > 0;
      await page.keyboard.press("Escape");
      return isTheirs;
    }).toBe(true);
    await page.getByRole("grid").waitFor();
  });

  it("ends with signing out", async () => {
    const { page, context } = await visit(browser, server, at("events"));
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Outgest" }).waitFor();
    expect((await context.request.get(`${server.url}/api/v1/session`)).status()).toBe(401);
  });
});

describe("the theme", () => {
  it("is that of the system until another is chosen, which this browser remembers", async () => {
    const { page } = await visit(browser, server, at("events"), { theme: "dark" });
    const look = () => page.evaluate(() => [document.documentElement.dataset["theme"], getComputedStyle(document.body).backgroundColor]);
    const toLight = page.getByRole("button", { name: "Use the light theme" });
    await toLight.waitFor();
    const dark = await look();
    await toLight.click();
    const toDark = page.getByRole("button", { name: "Use the dark theme" });
    await toDark.waitFor();
    const light = await look();
    expect([dark[0], light[0], dark[1] === light[1]]).toEqual(["dark", "light", false]);
    await page.reload();
    await toDark.waitFor();
    expect(await look()).toEqual(light);
    await toDark.click();
    await page.goto(server.url + at("exports"));
    await toLight.waitFor();
    expect(await look()).toEqual(dark);
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
