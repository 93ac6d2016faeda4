import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";

import { OWNER, PROJECT, type Server } from "./server";

const CHROMIUM = process.env["OUTGEST_CHROMIUM"] ?? "/usr/bin/chromium";

/** The system's own Chromium. The sandbox does not work for root, which tests in containers often are. */
export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** What the browser complained about. */
  complaints: string[];
}

interface VisitOptions {
  who?: { email: string; password: string } | null;
  width?: number;
  theme?: "light" | "dark";
  /** Zone of the user; UTC unless given. */
  zone?: string;
}

/**
 * A browser of its own until the test ends, signed in unless told otherwise, that notes what goes wrong.
 *
 * Whatever the test is about, it fails where the page asks something of another host than the server.
 */
export async function visit(browser: Browser, server: Server, path: string, options: VisitOptions = {}): Promise<Visit> {
  const width = options.width ?? 1280;
  const context = await browser.newContext({
    viewport: { width, height: width < 500 ? 780 : 800 },
    colorScheme: options.theme ?? "light",
    timezoneId: options.zone ?? "UTC",
    locale: "en-GB",
    reducedMotion: "reduce",
    acceptDownloads: true,
  });
  const hosts = new Set<string>();
  onTestFinished(async () => {
    // What a test answers itself may still be on its way when the test is done.
    await Promise.all(context.pages().map((page) => page.unrouteAll({ behavior: "ignoreErrors" })));
    await context.close();
    const others = [...hosts].filter((host) => host !== "" && host !== new URL(server.url).host);
    expect(others, "hosts that a page asked something of").toEqual([]);
  });
  const who = options.who === undefined ? OWNER : options.who;
  if (who) {
    const signedIn = await context.request.post(`${server.url}/api/v1/session`, { data: who });
    expect(signedIn.status()).toBe(200);
  }
  context.setDefaultTimeout(30_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => hosts.add(new URL(request.url()).host));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog was opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(server.url + path);
  return { page, context, complaints };
}

/** The address of a page of the project. */
export function at(...rest: string[]): string {
  return `/projects/${[PROJECT, ...rest].join("/")}`;
}

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe finds wrong with the page, by WCAG 2.2 AA. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(await axeSource());
  return page.evaluate(async () => {
    interface Result {
      violations: { id: string; help: string; nodes: { target: string[]; failureSummary: string }[] }[];
    }
    const axe = (globalThis as unknown as { axe: { run: (options: object) => Promise<Result> } }).axe;
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { violations } = await axe.run({ runOnly: { type: "tag", values: tags } });
    return violations.flatMap((found) =>
      found.nodes.map((node) => `${found.id}: ${found.help} at ${node.target.join(" ")}: ${node.failureSummary}`),
    );
  });
}

let source: string | undefined;

async function axeSource(): Promise<string> {
  return (source ??= await readFile(AXE, "utf8"));
}
