import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { accessibilityProblems, at, launch, visit } from "./support/browser";
import { Server } from "./support/server";

let browser: Browser;
let server: Server;

const SECOND = 1_000;
const BEGIN = Date.UTC(2026, 5, 30, 12);

interface Event {
  id: string;
  traceId: string;
  parentObservationId?: string;
  endTime?: string;
  input?: string;
  tags?: string[];
}

/** One row a second. Two traces: `plan` calls `look` and `sum`, `chat` calls `reply`, which has not ended. */
const EVENTS: Event[] = [
  { id: "plan", traceId: "t-1", endTime: time(9), input: "a question", tags: ["beta", "vip"] },
  { id: "look", traceId: "t-1", parentObservationId: "plan", endTime: time(5), tags: ["beta"] },
  { id: "sum", traceId: "t-1", parentObservationId: "plan", endTime: time(8), input: "numbers" },
  { id: "chat", traceId: "t-2", endTime: time(9), input: "hello", tags: ["vip"] },
  { id: "reply", traceId: "t-2", parentObservationId: "chat", input: "hello", tags: ["beta", "vip", "slow"] },
];

const SCORES = [
  { id: "s-1", traceId: "t-1", observationId: "sum", name: "accuracy", dataType: "NUMERIC", value: 0.9 },
  { id: "s-2", traceId: "t-2", observationId: "reply", name: "accuracy", dataType: "NUMERIC", value: 0.4 },
  { id: "s-3", traceId: "t-1", observationId: "look", name: "outcome", dataType: "CATEGORICAL", value: 0, stringValue: "solved" },
  { id: "s-4", traceId: "t-2", observationId: "reply", name: "outcome", dataType: "CATEGORICAL", value: 1, stringValue: "given up" },
];

function time(seconds: number): string {
  return new Date(BEGIN + seconds * SECOND).toISOString();
}

beforeAll(async () => {
  const events = EVENTS.map((event, second) => ({ ...event, name: event.id, type: "SPAN", startTime: time(second) }));
  const scores = SCORES.map((score) => ({ ...score, timestamp: time(30), source: "API" }));
  [browser, server] = await Promise.all([launch(), Server.withRows(0, { import: events, scores })]);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** Ids of the rows that are shown, the newest first. */
function ids(page: Page): Promise<string[]> {
  return page.locator('[data-column="id"]').allTextContents();
}

/** Column, operator and value of every chip. */
function chips(page: Page): Promise<string[][]> {
  return page.locator(".chip").evaluateAll((all) => all.map((chip) => [...chip.querySelectorAll(".chip-text span")].map((part) => part.textContent ?? "")));
}

function filterOf(page: Page): unknown {
  return JSON.parse(new URL(page.url()).searchParams.get("filter") ?? "[]");
}

interface Case {
  /** Title and id of the column, as they are offered. */
  column: string;
  /** Says what the form asks for, once the column is chosen. */
  fill?: (page: Page) => Promise<unknown>;
  /** What the address then holds. */
  filter: object;
  chip: [string, string, string];
  rows: string[];
}

const choose = (name: string | RegExp) => (page: Page) => page.getByRole("option", { name }).click();
const operator = (name: string) => (page: Page) => page.getByLabel("Operator").selectOption(name);
const enter = (label: string, value: string) => (page: Page) => page.getByLabel(label, { exact: true }).fill(value);

/** One after the other. */
const all = (...steps: ((page: Page) => Promise<unknown>)[]) => async (page: Page) => {
  for (const step of steps) await step(page);
};

/** The place in a trace, and its number where it is counted. */
const place = (name: string, n?: string) => async (page: Page) => {
  await page.getByLabel("Value", { exact: true }).selectOption(name);
  if (n !== undefined) await enter("n", n)(page);
};

const CASES: Record<string, Case[]> = {
  "a time of the user's zone, and by whether there is one": [
    {
      column: "Start Time startTime",
      fill: enter("Time", "2026-06-30T21:00:03"),
      filter: { type: "datetime", column: "startTime", operator: ">=", value: time(3) },
      chip: ["Start Time", ">=", "2026-06-30 21:00:03"],
      rows: ["reply", "chat"],
    },
    {
      column: "End Time endTime",
      fill: all(operator("<"), enter("Time", "2026-06-30T21:00:08")),
      filter: { type: "datetime", column: "endTime", operator: "<", value: time(8) },
      chip: ["End Time", "<", "2026-06-30 21:00:08"],
      rows: ["look"],
    },
    {
      column: "End Time endTime",
      fill: operator("is null"),
      filter: { type: "null", column: "endTime", operator: "is null", value: "" },
      chip: ["End Time", "is null", ""],
      rows: ["reply"],
    },
    {
      column: "End Time endTime",
      fill: operator("is not null"),
      filter: { type: "null", column: "endTime", operator: "is not null", value: "" },
      chip: ["End Time", "is not null", ""],
      rows: ["chat", "sum", "look", "plan"],
    },
  ],
  "yes and no": [
    {
      column: "Has Input hasInput",
      filter: { type: "boolean", column: "hasInput", operator: "=", value: true },
      chip: ["Has Input", "=", "true"],
      rows: ["reply", "chat", "sum", "plan"],
    },
    {
      column: "Has Input hasInput",
      fill: (page) => page.getByRole("radio", { name: "false" }).click(),
      filter: { type: "boolean", column: "hasInput", operator: "=", value: false },
      chip: ["Has Input", "=", "false"],
      rows: ["look"],
    },
  ],
  "what is in a list": [
    {
      column: "Tags tags",
      fill: choose(/^vip/),
      filter: { type: "arrayOptions", column: "tags", operator: "any of", value: ["vip"] },
      chip: ["Tags", "any of", "vip"],
      rows: ["reply", "chat", "plan"],
    },
    {
      column: "Tags tags",
      fill: all(operator("all of"), choose(/^beta/), choose(/^vip/)),
      filter: { type: "arrayOptions", column: "tags", operator: "all of", value: ["beta", "vip"] },
      chip: ["Tags", "all of", "beta, vip"],
      rows: ["reply", "plan"],
    },
    {
      // A value that nothing has is entered.
      column: "Tags tags",
      fill: all(operator("none of"), choose(/^slow/), enter("Find or enter a value", "gone"), choose("Use “gone”")),
      filter: { type: "arrayOptions", column: "tags", operator: "none of", value: ["slow", "gone"] },
      chip: ["Tags", "none of", "slow, gone"],
      rows: ["chat", "sum", "look", "plan"],
    },
  ],
  "the place in a trace": [
    {
      column: "Position in Trace positionInTrace",
      filter: { type: "positionInTrace", column: "positionInTrace", operator: "=", key: "root" },
      chip: ["Position in Trace", "=", "root of the trace"],
      rows: ["chat", "plan"],
    },
    {
      column: "Position in Trace positionInTrace",
      fill: place("last"),
      filter: { type: "positionInTrace", column: "positionInTrace", operator: "=", key: "last" },
      chip: ["Position in Trace", "=", "last of the trace"],
      rows: ["reply", "sum"],
    },
    {
      column: "Position in Trace positionInTrace",
      fill: place("nthFromStart", "2"),
      filter: { type: "positionInTrace", column: "positionInTrace", operator: "=", key: "nthFromStart", value: 2 },
      chip: ["Position in Trace", "=", "number 2 from the start"],
      rows: ["reply", "look"],
    },
  ],
  "scores, by number and by category": [
    {
      column: "Scores (numeric) scores_avg",
      fill: all(choose(/^accuracy/), enter("Number", "0.8")),
      filter: { type: "numberObject", column: "scores_avg", key: "accuracy", operator: ">=", value: 0.8 },
      chip: ["Scores (numeric).accuracy", ">=", "0.8"],
      rows: ["sum"],
    },
    {
      column: "Scores (categorical) score_categories",
      fill: all(choose(/^outcome/), choose(/^solved/)),
      filter: { type: "categoryOptions", column: "score_categories", key: "outcome", operator: "any of", value: ["solved"] },
      chip: ["Scores (categorical).outcome", "any of", "solved"],
      rows: ["look"],
    },
    {
      column: "Scores (categorical) score_categories",
      fill: all(choose(/^outcome/), operator("none of"), choose(/^solved/)),
      filter: { type: "categoryOptions", column: "score_categories", key: "outcome", operator: "none of", value: ["solved"] },
      chip: ["Scores (categorical).outcome", "none of", "solved"],
      rows: ["reply", "chat", "sum", "plan"],
    },
  ],
};

/** Opens the form of a column. */
async function openForm(page: Page, column: string): Promise<void> {
  await page.getByRole("button", { name: "Filter", exact: true }).click();
  await page.getByRole("combobox", { name: "Find a column to filter by" }).fill(column.split(" ").at(-1)!);
  await page.getByRole("option", { name: column, exact: true }).click();
}

const EVERY = ["reply", "chat", "sum", "look", "plan"];

describe("a filter is chosen in the form, and holds on the chip, in the address and in the table:", () => {
  for (const [what, cases] of Object.entries(CASES)) {
    it(`by ${what}`, async () => {
      const { page, complaints } = await visit(browser, server, at("events?columns=id,name"), { zone: "Asia/Tokyo" });
      await expect.poll(() => ids(page)).toEqual(EVERY);
      for (const [index, { column, fill, filter, chip, rows }] of cases.entries()) {
        const told = chip.join(" ");
        const holds = async () => {
          await expect.poll(() => ids(page), { message: told }).toEqual(rows);
          expect(await chips(page)).toEqual([chip]);
          expect(filterOf(page)).toEqual([filter]);
        };
        await openForm(page, column);
        await fill?.(page);
        const apply = page.getByRole("button", { name: "Apply" });
        await apply.click();
        await holds();
        // The link alone shows the same.
        if (index === cases.length - 1) await page.reload();
        await holds();
        // What is edited begins with what it is, and stays so where nothing is changed.
        await page.locator(".chip-text").click();
        await apply.click();
        await apply.waitFor({ state: "hidden" });
        await holds();
        await page.getByRole("button", { name: /^Remove / }).click();
        await expect.poll(() => ids(page), { message: told }).toEqual(EVERY);
        expect(filterOf(page)).toEqual([]);
      }
      expect(complaints).toEqual([]);
    });
  }

  it("or cannot be applied yet, because something is missing", async () => {
    const { page } = await visit(browser, server, at("events"));
    await page.getByRole("grid").waitFor();
    const apply = page.getByRole("button", { name: "Apply" });
    const incomplete: [string, Case["fill"]?][] = [
      ["Start Time startTime"],
      ["Tags tags"],
      ["Scores (numeric) scores_avg", choose(/^accuracy/)],
      ["Scores (categorical) score_categories", choose(/^outcome/)],
      ["Position in Trace positionInTrace", place("nthFromEnd", "")],
      ["Position in Trace positionInTrace", place("nthFromEnd", "0")],
    ];
    for (const [column, fill] of incomplete) {
      await openForm(page, column);
      await fill?.(page);
      expect(await apply.isDisabled(), column).toBe(true);
      await page.waitForLoadState("networkidle");
      expect(await accessibilityProblems(page), column).toEqual([]);
      await page.keyboard.press("Escape");
      await apply.waitFor({ state: "hidden" });
    }
  });
});
