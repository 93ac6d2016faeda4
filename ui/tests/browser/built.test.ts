import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";

const DIST = new URL("../../dist/", import.meta.url);

/** What is shipped as scripts at most, compressed. */
const SCRIPT_BYTES_MAX = 350_000;

it("scripts are small", () => {
  const scripts = readdirSync(new URL("assets/", DIST)).filter((name) => name.endsWith(".js"));
  const sizes = scripts.map((name) => gzipSync(readFileSync(new URL(`assets/${name}`, DIST))).length);
  const sum = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`${scripts.length} scripts, ${sum} bytes compressed, at most ${SCRIPT_BYTES_MAX}`);
  expect(scripts.length).toBeGreaterThan(4);
  expect(sum).toBeLessThan(SCRIPT_BYTES_MAX);
});

it("nothing is inlined, and nothing comes from elsewhere", () => {
  const page = readFileSync(new URL("index.html", DIST), "utf8");
  const scripts = [...page.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)];
  expect(scripts.length).toBe(2);
  for (const [, attributes, content] of scripts) {
    expect(content!.trim()).toBe("");
    expect(attributes).toContain('src="/');
  }
  expect(page).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  expect(page).not.toMatch(/ style="| on[a-z]+="/);
});
