// What `cargo xtask bench ui` measures in Chromium: when the events page answers, how long its requests take, and
// how evenly it scrolls. Prints one JSON object.
//
//   node measure.mjs <address of the server> <project> <secret key> <e-mail> <password>

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";

const [server, project, key, email, password] = process.argv.slice(2);

/** Odd, so that every median is a measurement. */
const VISITS = 7;
const CALLS = 7;
/** Frames of one scroll, and how far each moves: a page of rows every few frames. */
const FRAMES = 180;
const STEP = 200;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const rounded = (value) => Math.round(value * 10) / 10;

/** Scripts as they are sent, compressed. */
function scriptBytes() {
  const folder = new URL("../../dist/assets/", import.meta.url);
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  return scripts.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, folder))).length, 0);
}

/** Notes when the first row stands there and the page has time for whoever uses it. */
function noteInteractive() {
  new MutationObserver((_, observer) => {
    if (!document.querySelector(".grid-row")) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => (window.interactiveAt = performance.now())));
  }).observe(document, { childList: true, subtree: true });
}

async function visits(browser) {
  const [interactive, requests] = [[], new Map()];
  for (let visit = 0; visit < VISITS; visit += 1) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.request.post(`${server}/api/v1/session`, { data: { email, password } });
    const page = await context.newPage();
    await page.addInitScript(noteInteractive);
    await page.goto(`${server}/projects/${project}/events`);
    await page.waitForFunction(() => window.interactiveAt !== undefined);
    interactive.push(await page.evaluate(() => window.interactiveAt));
    // The page is what it seems: a key moves in the table at once.
    await page.keyboard.press("j");
    await page.locator(".grid-row[data-current]").waitFor({ timeout: 2_000 });
    await page.getByRole("status").getByText(/rows/).first().waitFor();
    const taken = await page.evaluate(() =>
      performance.getEntriesByType("resource").map(({ name, duration }) => [new URL(name).pathname, duration]),
    );
    for (const [path, duration] of taken.filter(([path]) => path.startsWith("/api/"))) {
      const name = path.replace(/^.*\/projects\/[^/]+/, "");
      requests.set(name, [...(requests.get(name) ?? []), duration]);
    }
    await context.close();
  }
  return { interactive: rounded(median(interactive)), asked: [...requests].map(([name, all]) => [name, rounded(median(all))]) };
}

async function call(path, body) {
  const began = performance.now();
  const answer = await fetch(`${server}/api/v1/projects/${project}/tables/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const found = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(found)}`);
  return { took: performance.now() - began, found };
}

/** Which cells of a table the web app asks for, and how much of each. */
async function cellsOf(browser, table) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.request.post(`${server}/api/v1/session`, { data: { email, password } });
  const page = await context.newPage();
  const asking = page.waitForRequest((request) => request.url().endsWith(`/tables/${table}/rows/search`));
  await page.goto(`${server}/projects/${project}/${table}`);
  const { columns, charactersMax } = (await asking).postDataJSON();
  await context.close();
  return { columns, charactersMax, limit: 100 };
}

/** Pages of 100 rows, each behind a filter that the table shows, and what is counted beside them. */
async function calls(browser) {
  const page = await cellsOf(browser, "events");
  const { found } = await call("events/rows/search", { ...page, columns: ["id", "traceId", "userId"] });
  const { traceId, userId } = found.rows[50].cells;
  const only = (column, type, operator, value) => ({ filter: [{ column, type, operator, value }] });
  const asked = [
    ["events, newest", "events/rows/search", page],
    ["events, last 24 hours", "events/rows/search", { ...page, since: "-24h" }],
    ["events, level ERROR", "events/rows/search", { ...page, ...only("level", "stringOptions", "any of", ["ERROR"]) }],
    ["events of a user", "events/rows/search", { ...page, ...only("userId", "string", "=", userId) }],
    ["events of a trace", "events/rows/search", { ...page, ...only("traceId", "string", "=", traceId) }],
    ["events, second page", "events/rows/search", { ...page, cursor: found.next }],
    ["traces, newest", "traces/rows/search", await cellsOf(browser, "traces")],
    ["scores, newest", "scores/rows/search", await cellsOf(browser, "scores")],
    ["events over time", "events/histogram", { bars: 120 }],
    ["traces over time", "traces/histogram", { bars: 120 }],
    ["values of level", "events/facets", { column: "level", limit: 50 }],
  ];
  const taken = [];
  for (const [name, path, body] of asked) {
    const times = [];
    for (let turn = 0; turn < CALLS; turn += 1) times.push((await call(path, body)).took);
    taken.push([name, rounded(times[0]), rounded(median(times))]);
  }
  return taken;
}

async function scrolling(browser) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.request.post(`${server}/api/v1/session`, { data: { email, password } });
  const page = await context.newPage();
  await page.goto(`${server}/projects/${project}/events`);
  await page.locator(".grid-row").first().waitFor();
  const frames = await page.getByRole("grid").evaluate(
    (grid, [count, step]) =>
      new Promise((done) => {
        const times = [];
        const frame = (now) => {
          times.push(now);
          grid.scrollBy(0, step);
          if (times.length > count) done(times.slice(1).map((time, place) => time - times[place]));
          else requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      }),
    [FRAMES, STEP],
  );
  await context.close();
  const sorted = [...frames].sort((a, b) => a - b);
  return { median: rounded(median(frames)), p95: rounded(sorted[Math.floor(sorted.length * 0.95)]), max: rounded(sorted.at(-1)) };
}

const browser = await chromium.launch({
  executablePath: process.env.OUTGEST_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const { interactive, asked } = await visits(browser);
const frames = await scrolling(browser);
const pages = await calls(browser);
await browser.close();
console.log(JSON.stringify({ scriptBytes: scriptBytes(), interactive, asked, calls: pages, frames }));
