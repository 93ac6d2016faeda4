import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

/** Share of the window that moves, times how far: what people notice begins at about a tenth. */
const SHIFT_MAX = 0.01;

/** How slow answers are made, so that what is shown before them is seen. */
const SLOW_MILLIS = 250;

let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), Server.withRows(400)]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

interface Shift {
  value: number;
  what: string;
}

/** Notes everything that moves without being told to. */
function noteShifts(): void {
  interface Moved extends PerformanceEntry {
    value: number;
    hadRecentInput: boolean;
    sources: { node?: Element | null }[];
  }
  const shifts: Shift[] = [];
  Object.assign(globalThis, { shifts });
  new PerformanceObserver((list) => {
    for (const moved of list.getEntries() as Moved[]) {
      const what = moved.sources.map(({ node }) => (node instanceof Element ? node.className || node.nodeName : "text")).join(", ");
      if (!moved.hadRecentInput) shifts.push({ value: moved.value, what });
    }
  }).observe({ type: "layout-shift", buffered: true });
}

async function shiftsOf(page: Page): Promise<Shift[]> {
  return page.evaluate(() => (globalThis as unknown as { shifts: Shift[] }).shifts);
}

describe("while a page is loaded", () => {
  for (const width of [1280, 390]) {
    it(`nothing moves at ${width} px`, async () => {
      const { page, context } = await visit(browser, server, "/icon.svg", { width });
      await context.addInitScript(noteShifts);
      await page.route("**/api/v1/**", async (route) => {
        await new Promise((done) => setTimeout(done, SLOW_MILLIS));
        await route.continue();
      });
      for (const path of [at("events"), at("traces"), at("exports"), at("integrations"), at("settings", "members"), at("settings", "storage")]) {
        await page.goto(server.url + path);
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForLoadState("networkidle");
        await page.waitForTimeout(200);
        const shifts = await shiftsOf(page);
        expect(shifts.reduce((sum, { value }) => sum + value, 0), `${path}: ${JSON.stringify(shifts)}`).toBeLessThan(SHIFT_MAX);
      }
    });
  }
});
