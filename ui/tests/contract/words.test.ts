import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

const SOURCES = new URL("../../src/", import.meta.url);

/** Every file that draws something. */
function drawn(): [string, string][] {
  return readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".tsx"))
    .map((name) => [name, readFileSync(new URL(name, SOURCES), "utf8")]);
}

it("people read only what stands in src/words", () => {
  // Text between tags, or in an attribute that is read aloud or shown.
  const text = /<\/?[a-zA-Z][^<>{}]*>\s*([A-Z][a-z]+(?: [a-z]+)+)\s*<|\b(?:label|title|placeholder|aria-label|help)="([A-Z][^"]+)"/g;
  for (const [name, source] of drawn()) {
    expect([...source.matchAll(text)].map((found) => found[1] ?? found[2]), name).toEqual([]);
  }
});

it("nothing is drawn as HTML", () => {
  for (const [name, source] of drawn()) {
    expect(/dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write/.test(source), name).toBe(false);
  }
});
