import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";

import { cliCommand, curlCommand } from "./commands";

/** The words that a shell makes of a command. */
function wordsOf(command: string): string[] {
  const script = `set -- ${command.replace(/^outgest |^curl /, "")}; printf '%s\\0' "$@"`;
  return execFileSync("sh", ["-c", script]).toString().split("\0").slice(0, -1);
}

const request = {
  table: "events",
  filter: [{ type: "string" as const, column: "name", operator: "=", value: "it's $HOME `x` \"q\"; rm -rf /\n" }],
  since: "-24h",
  columns: ["id", "name"],
  format: "csv",
};

describe("commands", () => {
  it("reach a program exactly as they are meant, whatever is in them", () => {
    const words = wordsOf(cliCommand("https://og.example", "a b", request));
    expect(words.slice(0, 2)).toEqual(["exports", "create"]);
    expect(words).toContain("--since=-24h");
    expect(words[words.indexOf("--project") + 1]).toBe("a b");
    expect(JSON.parse(words[words.indexOf("--filter") + 1]!)).toEqual(request.filter[0]);
  });

  it("carry the request as it is through curl", () => {
    const words = wordsOf(curlCommand("https://og.example", "a b", request));
    expect(words).toContain("https://og.example/api/v1/projects/a%20b/exports");
    expect(JSON.parse(words.at(-1)!)).toEqual(request);
  });
});
