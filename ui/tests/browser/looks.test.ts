import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { at, launch, visit } from "./support/browser";
import { fillConnection } from "./support/form";
import { moveTimes } from "./support/times";
import { Server } from "./support/server";
import { Work } from "./support/work";

/** Taken anew with `cargo xtask ui pictures`, and looked at before they are committed. */
const GOLDEN = new URL("golden/", import.meta.url);
const README = new URL("../../../docs/web-app.png", import.meta.url);
const TAKES = process.env["OUTGEST_PICTURES"] !== undefined;

/** Pictures are compared small, so that another machine's fonts make no difference; what is missing or moved does. */
const WIDTH = 400;
const BLOCKS = 20;

/** Mean difference of a block at most, of 255: what changes its colour exceeds it. */
const DIFFERENCE_MAX = 28;

/** A pixel is drawn on where it stands out from the ground of its block by so much, of 255. */
const DRAWN_MIN = 24;

/** Share of a block that is drawn on where there is a text or a picture. */
const FULL_MIN = 0.12;

/** Part of that below which the block has lost what was in it. */
const EMPTY_MAX = 0.25;

/**
 * Blocks that may have lost what was in them, or got something where nothing was. Other fonts, whose texts end
 * elsewhere, come to two; a column, a chart or the heads of the columns that are gone to five or more.
 */
const EMPTIED_MAX = 3;

/** A day after the sample data ends: times are written the same whenever the test runs. */
const NOW = new Date("2026-07-02T09:00:00Z");

/** What has happened ends with the full hour before. */
const DONE = new Date("2026-07-02T08:55:00Z");
const HOUR = new Date("2026-07-02T08:00:00Z");

let browser: Browser;
let server: Server;
/** What has happened on another server, shortly before {@link DONE}. */
let work: Work;

beforeAll(async () => {
  [browser, server, work] = await Promise.all([launch(), Server.withRows(6_000), Work.done()]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
  await work?.close();
});

interface Look {
  name: string;
  /** Of the server with rows; a function names it on the one where something has happened. */
  path: string | ((work: Work) => string);
  width?: number;
  theme?: "light" | "dark";
  /** Brings about what is looked at. */
  act?: (page: Page) => Promise<void>;
}

const GENERATIONS = encodeURIComponent(JSON.stringify([{ type: "stringOptions", column: "type", operator: "any of", value: ["GENERATION"] }]));

const openRow = async (page: Page) => {
  await page.locator(".grid-row").nth(2).click();
  await page.getByRole("tab", { name: "Messages" }).waitFor();
};

const openExport = async (page: Page) => {
  await page.getByRole("button", { name: "Export", exact: true }).click();
  await page.getByText(/^≤ /).waitFor();
};

const openStory = (page: Page) => page.locator(".story-failure").waitFor();

const openDetail = async (page: Page) => {
  await page.locator(".coverage [data-state-is=exported]").first().waitFor();
  await page.locator(".window-chart button").first().waitFor();
};

const fillForm = async (page: Page) => {
  await fillConnection(page, work.bucket);
  const preview = page.getByRole("complementary", { name: "Next five windows" });
  await preview.getByText(/^lake\//).first().waitFor();
  await expect.poll(() => preview.getByRole("listitem").count()).toBe(5);
  await page.getByRole("heading", { level: 1 }).scrollIntoViewIfNeeded();
};

const LOOKS: Look[] = [
  { name: "events", path: at("events") },
  { name: "events-dark", path: at("events"), theme: "dark" },
  { name: "row", path: at(`events?filter=${GENERATIONS}`), act: openRow },
  { name: "export", path: at("events"), theme: "dark", act: openExport },
  { name: "events-narrow", path: at("events"), width: 390 },
  { name: "settings", path: at("settings", "members") },
  { name: "exports", path: () => at("exports") },
  { name: "export-failed", path: ({ failed }) => at("exports", failed), act: openStory },
  { name: "integrations", path: () => at("integrations") },
  { name: "integration", path: ({ integration }) => at("integrations", integration), act: openDetail },
  { name: "integration-form", path: () => at("integrations", "new"), act: fillForm },
];

async function look(what: Look): Promise<Buffer> {
  const [on, path] = typeof what.path === "string" ? [server, what.path] : [work.server, what.path(work)];
  const { page } = await visit(browser, on, "/icon.svg", { width: what.width ?? 1280, theme: what.theme ?? "light" });
  await page.clock.setFixedTime(on === work.server ? DONE : NOW);
  if (on === work.server) await moveTimes(page, HOUR.getTime() - work.hour);
  await page.goto(on.url + path);
  if (path.includes("events")) {
    await page.getByRole("grid").waitFor();
    await page.getByRole("img", { name: /^Rows over time/ }).waitFor();
  }
  await page.getByRole("heading", { level: 1 }).waitFor();
  await what.act?.(page);
  await expect.poll(() => page.locator(".skeleton").count()).toBe(0);
  await page.evaluate(() => document.fonts.ready);
  await page.waitForTimeout(300);
  return page.screenshot({ caret: "hide", animations: "disabled" });
}

/** The picture at the width that it is compared in. */
async function small(page: Page, picture: Buffer): Promise<Buffer> {
  const url = await page.evaluate(
    async ([data, width]) => {
      const image = new Image();
      image.src = `data:image/png;base64,${data}`;
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = Math.min(width, image.width / 2);
      canvas.height = Math.round((image.height / image.width) * canvas.width);
      const context = canvas.getContext("2d")!;
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      return canvas.toDataURL("image/webp", 0.7);
    },
    [picture.toString("base64"), WIDTH] as const,
  );
  return Buffer.from(url.split(",")[1]!, "base64");
}

interface Difference {
  /** The largest mean difference of a block, of 255. */
  apart: number;
  /** Blocks that something is drawn in, in one of the pictures alone. */
  emptied: number;
}

/** How two pictures differ, block by block; pictures of different sizes do so altogether. */
function difference(page: Page, a: Buffer, b: Buffer): Promise<Difference> {
  return page.evaluate(
    async ([first, second, { blocks, drawnMin, fullMin, emptyMax }]) => {
      const pixels = async (data: string) => {
        const image = new Image();
        image.src = `data:image/webp;base64,${data}`;
        await image.decode();
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.width, image.height];
        const context = canvas.getContext("2d")!;
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height);
      };
      const [one, two] = [await pixels(first), await pixels(second)];
      if (one.width !== two.width || one.height !== two.height) return { apart: 255, emptied: blocks * blocks };
      const found = Array.from({ length: blocks * blocks }, () => ({ apart: 0, one: [] as number[], two: [] as number[] }));
      const channels = [0, 1, 2];
      const brightness = ({ data }: ImageData, at: number) => channels.reduce((sum, channel) => sum + data[at + channel]!, 0) / 3;
      for (let at = 0; at < one.data.length; at += 4) {
        const [x, y] = [(at / 4) % one.width, Math.floor(at / 4 / one.width)];
        const block = found[Math.floor((x * blocks) / one.width) + blocks * Math.floor((y * blocks) / one.height)]!;
        block.apart += channels.reduce((sum, channel) => sum + Math.abs(one.data[at + channel]! - two.data[at + channel]!), 0) / 3;
        block.one.push(brightness(one, at));
        block.two.push(brightness(two, at));
      }
      const drawnOf = (values: number[]) => {
        const ground = [...values].sort((a, b) => a - b)[values.length >> 1]!;
        return values.filter((value) => Math.abs(value - ground) >= drawnMin).length / values.length;
      };
      const isEmptied = (drawn: number[]) => Math.max(...drawn) >= fullMin && Math.min(...drawn) < emptyMax * Math.max(...drawn);
      return {
        apart: Math.max(...found.map((block) => block.apart / block.one.length)),
        emptied: found.filter((block) => isEmptied([drawnOf(block.one), drawnOf(block.two)])).length,
      };
    },
    [
      a.toString("base64"),
      b.toString("base64"),
      { blocks: BLOCKS, drawnMin: DRAWN_MIN, fullMin: FULL_MIN, emptyMax: EMPTY_MAX },
    ] as const,
  );
}

function isAlike({ apart, emptied }: Difference): boolean {
  return apart < DIFFERENCE_MAX && emptied <= EMPTIED_MAX;
}

describe("the app looks as it did", () => {
  for (const what of LOOKS) {
    it(what.name, async () => {
      const picture = await look(what);
      const { page } = await visit(browser, server, "/icon.svg", { who: null });
      await page.goto("about:blank");
      const taken = await small(page, picture);
      const file = new URL(`${what.name}.webp`, GOLDEN);
      if (TAKES) {
        mkdirSync(GOLDEN, { recursive: true });
        writeFileSync(file, taken);
        if (what.name === "row") writeFileSync(README, picture);
      }
      expect(existsSync(file), `${what.name}.webp: cargo xtask ui pictures`).toBe(true);
      const found = await difference(page, readFileSync(file), taken);
      const told = `${what.name} looks different: ${JSON.stringify(found)}; if it should, cargo xtask ui pictures`;
      expect(isAlike(found), told).toBe(true);
    });
  }

  for (const lost of [".histogram", ".grid-th", '[data-column="name"]', '[data-column="totalCost"]']) {
    it(`and a page that lost ${lost} does not`, async () => {
      const whole = await look(LOOKS[0]!);
      const hide = async (page: Page) => void (await page.addStyleTag({ content: `${lost} { visibility: hidden }` }));
      const broken = await look({ ...LOOKS[0]!, act: hide });
      const { page } = await visit(browser, server, "/icon.svg", { who: null });
      await page.goto("about:blank");
      const found = await difference(page, await small(page, whole), await small(page, broken));
      expect(isAlike(found), JSON.stringify(found)).toBe(false);
    });
  }
});
