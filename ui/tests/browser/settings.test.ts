import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

import { Bucket } from "./support/bucket";
import { at, launch, visit } from "./support/browser";
import { OWNER, PROJECT, Server } from "./support/server";

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(100)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Gives a role and waits until the server has answered: what follows depends on it. */
async function giveRole(page: Page, email: string, role: string): Promise<void> {
  const answered = page.waitForResponse((response) => response.request().method() === "PUT" && response.url().endsWith("/members"));
  await page.getByLabel(`Role of ${email}`).selectOption(role);
  await page.getByRole("button", { name: `Apply to ${email}` }).click();
  expect((await answered).ok()).toBe(true);
}

/** Lets no list be asked for again from now on, until what this answers is called. */
async function holdBack(page: Page, list: string): Promise<() => Promise<void>> {
  const refusal = { status: 409, contentType: "application/json", body: '{"detail":"the store is being moved"}' };
  await page.route(list, (route) => (route.request().method() === "GET" ? route.fulfill(refusal) : route.fallback()));
  return () => page.unroute(list);
}

describe("keys", () => {
  it("are shown once, work, and no longer work when they are deleted", async () => {
    const { page } = await visit(browser, server, at("settings", "keys"));
    await page.getByRole("button", { name: "Create key" }).click();
    await page.getByLabel("What is it for?").fill("nightly <i>export</i>");
    await page.getByRole("button", { name: "Create key" }).click();
    const secret = (await page.getByRole("group", { name: "Secret key" }).textContent())!;
    const ask = () => fetch(`${server.url}/api/v1/projects/shop/exports`, { headers: { authorization: `Bearer ${secret}` } });
    expect((await ask()).status).toBe(200);
    await page.reload();
    await page.getByRole("cell", { name: "nightly <i>export</i>", exact: true }).waitFor();
    expect(await page.content()).not.toContain(secret);
    await page.getByRole("button", { name: "Delete key nightly <i>export</i>" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete key" }).click();
    await page.getByRole("heading", { name: "No keys yet" }).waitFor();
    expect((await ask()).status).toBe(401);
  });

  it("end when they are told to", async () => {
    const { page } = await visit(browser, server, at("settings", "keys"));
    const week = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 16);
    await page.getByRole("button", { name: "Create key" }).click();
    await page.getByLabel("What is it for?").fill("one week");
    await page.getByLabel("Expires").fill(week);
    await page.getByRole("button", { name: "Create key" }).click();
    await page.getByRole("button", { name: "I have copied it" }).click();
    const times = page.getByRole("row", { name: /^one week/ }).locator("time");
    expect(await times.first().getAttribute("datetime")).toBe(`${week}:00.000Z`);
    const keyFor = async (note: string, milliseconds: number) => {
      const expiresAt = new Date(Date.now() + milliseconds).toISOString();
      return (await server.ask<{ secretKey: string }>("keys", { role: "member", note, expiresAt })).secretKey;
    };
    const ask = async (key: string) => (await fetch(`${server.url}/api/v1/projects/shop/exports`, { headers: { authorization: `Bearer ${key}` } })).status;
    // The two differ in nothing but their end.
    const [day, moment] = [await keyFor("a day", 86_400_000), await keyFor("a moment", 10_000)];
    await expect.poll(() => ask(moment)).toBe(401);
    expect(await ask(day)).toBe(200);
  });

  it("stay in view until they are copied, whatever comes of asking for the list again", async () => {
    const { page } = await visit(browser, server, at("settings", "keys"));
    await page.getByRole("button", { name: "Create key" }).click();
    const release = await holdBack(page, "**/keys");
    await page.getByLabel("What is it for?").fill("kept in view");
    await page.getByRole("button", { name: "Create key" }).click();
    const stale = page.getByRole("note").filter({ hasText: "may be out of date. the store is being moved" });
    await stale.waitFor();
    const secret = page.getByRole("group", { name: "Secret key" });
    const shown = await secret.textContent();
    await release();
    await stale.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("cell", { name: "kept in view", exact: true }).waitFor();
    expect([await stale.count(), await secret.textContent()]).toEqual([0, shown]);
    await page.getByRole("button", { name: "Delete key kept in view" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Delete key" }).click();
    await page.getByRole("cell", { name: "kept in view", exact: true }).waitFor({ state: "detached" });
  });
});

describe("a new project", () => {
  it("says on every empty list what to do, with a command that works", async () => {
    const own = await Server.withRows(0, { settings: { OUTGEST_EGRESS_ALLOW: "127.0.0.0/8" } });
    onTestFinished(() => own.close());
    const { page } = await visit(browser, own, at("settings", "keys"));
    const command = async (title: string) => {
      await page.getByRole("heading", { name: title }).waitFor();
      return (await page.locator(".face").getByRole("group", { name: "Text to copy" }).textContent())!;
    };
    const ours = (text: string) => text.replace(/^outgest/, '"$OUTGEST"');
    const keys = await command("No keys yet");
    await page.goto(own.url + at("settings", "audit"));
    const audit = await command("Nothing has happened yet");
    await page.locator(".face").getByRole("link", { name: "New export" }).waitFor();
    await page.goto(own.url + at("integrations"));
    const integrations = await command("No integrations yet");
    await page.goto(own.url + at("exports"));
    const exports = await command("No exports yet");
    await page.goto(own.url + at("events"));
    const events = await command("No events yet");

    await own.shell(ours(events.replace("10000", "100")));
    const { secretKey: member } = JSON.parse(await own.shell(ours(keys))) as { secretKey: string };
    await page.goto(own.url + at("settings", "keys"));
    await page.getByRole("cell", { name: "nightly export", exact: true }).waitFor();
    const { secretKey: owner } = JSON.parse(await own.shell(ours(keys.replace("member", "owner")))) as { secretKey: string };
    await own.shell(ours(exports.replace("@key.txt", member)));
    const bucket = await Bucket.open("keeps");
    onTestFinished(() => bucket.close());
    writeFileSync(join(own.folder, "settings.json"), JSON.stringify(bucket.integration("By command")));
    await own.shell(ours(integrations.replace("@key.txt", owner)));
    await page.goto(own.url + at("integrations"));
    await page.getByRole("link", { name: "By command" }).waitFor();
    const known = { ...bucket.integration("Quiet"), start: { from: "now" } };
    const { id } = await own.ask<{ id: string }>("integrations", known);
    for (const [tab, title] of [["", "No window was exported yet"], ["backfills", "Nothing of the past was exported again"], ["letters", "No row was refused"]] as const) {
      await page.goto(own.url + at("integrations", id, tab));
      const told = (await command(title)).replace("@key.txt", owner);
      await own.shell(ours(told.replace("-7d", "-5h").replace("-1d", "-2h")));
    }
    const { items } = JSON.parse(await own.shell(`OUTGEST_KEY=${owner}; ${audit} --silent --fail`)) as { items: { action: string }[] };
    expect(items.map(({ action }) => action).slice(-2)).toEqual(["integration.create", "export.create"]);
  });
});

describe("people", () => {
  it("are invited with a link, and get another role", async () => {
    const { page } = await visit(browser, server, at("settings", "members"));
    await page.getByRole("button", { name: "Make link" }).click();
    const link = new URL((await page.getByRole("group", { name: "Invite" }).textContent())!);
    const invited = await visit(browser, server, link.pathname + link.hash, { who: null });
    await invited.page.getByLabel("Address").fill("mary@example.com");
    await invited.page.getByLabel("Name").fill("Mary Somerville");
    await invited.page.getByLabel("Password").fill("a long enough one");
    await invited.page.getByRole("button", { name: "Make account" }).click();
    await invited.page.getByRole("grid").waitFor();
    await page.reload();
    await giveRole(page, "mary@example.com", "viewer");
    await page.reload();
    expect(await page.getByLabel("Role of mary@example.com").inputValue()).toBe("viewer");
    await page.getByRole("button", { name: "Remove mary@example.com" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove member" }).click();
    await page.getByText("mary@example.com").waitFor({ state: "detached" });
    // What the server refuses is said where it was asked for.
    await giveRole(page, "vera@example.com", "owner");
    await page.getByRole("button", { name: "Remove vera@example.com" }).click();
    await page.getByRole("alertdialog").getByRole("button", { name: "Remove member" }).click();
    await page.getByRole("alertdialog").getByText("the last owner of a project stays its owner").waitFor();
    await page.getByRole("button", { name: "Keep" }).click();
    await page.goto(server.url + at("settings", "audit"));
    for (const action of ["member.remove", "member.set", "member.invite"]) {
      await page.getByRole("cell", { name: action }).first().waitFor();
    }
  });
});

describe("roles", () => {
  const PASSWORD = "a long enough one";

  it("are changed with a button, and one's own only after a question", async () => {
    const file = join(server.folder, "password");
    writeFileSync(file, PASSWORD);
    const emails = ["grace@example.com", "joan@example.com"] as const;
    for (const email of emails) await server.outgest("user", "add", "--email", email, "--password-file", file, "--project", PROJECT, "--role", "owner");
    const [own, other] = emails;
    const { page } = await visit(browser, server, at("settings", "members"), { who: { email: own, password: PASSWORD } });
    let asked = 0;
    page.on("request", (request) => (asked += Number(request.method() === "PUT")));
    // On the way to another role no other is given.
    await page.getByLabel(`Role of ${other}`).focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    expect(await page.getByLabel(`Role of ${other}`).inputValue()).toBe("viewer");
    expect(asked).toBe(0);
    await page.keyboard.press("ArrowDown");
    const apply = page.getByRole("button", { name: `Apply to ${other}` });
    await apply.click();
    await apply.waitFor({ state: "detached" });
    expect([asked, await page.getByLabel(`Role of ${other}`).inputValue()]).toEqual([1, "member"]);
    await giveRole(page, other, "owner");
    await apply.waitFor({ state: "detached" });
    // Whoever is no owner any more is shown what others are.
    await page.getByLabel(`Role of ${own}`).selectOption("viewer");
    await page.getByRole("button", { name: `Apply to ${own}` }).click();
    const question = page.getByRole("alertdialog", { name: "Give up the role of an owner" });
    await question.getByText("You become a viewer").waitFor();
    expect(asked).toBe(2);
    await question.getByRole("button", { name: "Give it up" }).click();
    await page.getByLabel(`Role of ${own}`).waitFor({ state: "detached" });
    await page.getByRole("row", { name: own }).getByRole("cell", { name: "viewer" }).waitFor();
    expect(await page.getByRole("button", { name: "Make link" }).count()).toBe(0);
  });
});

describe("a link that invites", () => {
  it("stays in view, whatever comes of asking for the list of members again", async () => {
    const { page } = await visit(browser, server, at("settings", "members"));
    await page.getByRole("button", { name: "Make link" }).click();
    const link = page.getByRole("group", { name: "Invite" });
    const shown = await link.textContent();
    await holdBack(page, "**/members");
    await page.getByLabel("E-mail address").fill(OWNER.email);
    await page.getByRole("button", { name: "Add member" }).click();
    await page.getByRole("note").getByText(/may be out of date. the store is being moved$/).waitFor();
    expect(await link.textContent()).toBe(shown);
  });
});

describe("the project", () => {
  it("is renamed and keeps its retention and quotas", async () => {
    const { page } = await visit(browser, server, at("settings"));
    await page.getByLabel("Name").fill("Shop & Co");
    await page.getByLabel("Retention (days)").fill("90");
    await page.getByLabel("Exports that run at once").fill("2");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: /^Switch project: Shop & Co/ }).waitFor();
    await page.reload();
    expect(await page.getByLabel("Retention (days)").inputValue()).toBe("90");
    expect(await page.getByLabel("Exports that run at once").inputValue()).toBe("2");
  });

  it("says that it was saved for as long as somebody looks at that, and a while besides", async () => {
    const { page } = await visit(browser, server, "/icon.svg");
    await page.clock.install();
    await page.goto(server.url + at("settings"));
    // The place of what is said is there before it, or nobody would be told.
    const place = page.getByRole("region", { name: "Notifications" });
    expect(await place.getAttribute("aria-live")).toBe("polite");
    await page.getByRole("button", { name: "Save" }).click();
    const saved = place.getByText("Saved");
    await saved.hover();
    await page.clock.runFor(60_000);
    expect(await saved.count()).toBe(1);
    await place.getByRole("button", { name: "Close" }).focus();
    await page.mouse.move(0, 0);
    await page.clock.runFor(60_000);
    expect(await saved.count()).toBe(1);
    await page.getByRole("button", { name: "Save" }).focus();
    await page.clock.runFor(6_000);
    expect(await saved.count()).toBe(1);
    await page.clock.runFor(6_000);
    await saved.waitFor({ state: "detached" });
  });

  it("tells what is stored of it", async () => {
    const { page } = await visit(browser, server, at("settings", "storage"));
    const row = page.getByRole("row", { name: /^events/ });
    expect(await row.getByRole("cell").nth(1).textContent()).toBe("100");
  });

  it("tells what is to be known about figures that are not exact", async () => {
    const { page } = await visit(browser, server, at("events"));
    const note = "Rows are counted with all their stored versions.";
    // Only a ClickHouse of one's own has such figures: the rest of the answer is the server's.
    await page.route("**/api/v1/projects/*/storage", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), note } });
    });
    await page.goto(server.url + at("settings", "storage"));
    await page.getByRole("note").getByText(note, { exact: true }).waitFor();
  });
});
