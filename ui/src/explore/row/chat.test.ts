import { describe, expect, it } from "vitest";

import { words } from "../../words";
import { chatOf } from "./chat";
import { SourceNumber } from "./json";

describe("chats", () => {
  it("are read from lists, requests, responses and single messages", () => {
    const message = { role: "user", content: "hello" };
    for (const shape of [[message], { messages: [message] }, { choices: [{ message }] }, message]) {
      expect(chatOf(JSON.stringify(shape))).toEqual([{ role: "user", text: "hello", calls: [], rest: {} }]);
    }
  });

  it("keep tool calls and parts that are no text", () => {
    const call = { id: "1", type: "function", function: { name: "find", arguments: '{"limit":3}' } };
    const turns = chatOf({ role: "assistant", content: [{ type: "text", text: "one" }, { type: "image", url: "x" }], tool_calls: [call] });
    expect(turns?.[0]?.calls).toEqual([{ name: "find", arguments: { limit: 3 } }]);
    expect(turns?.[0]?.text).toContain("one");
    expect(turns?.[0]?.text).toContain('"image"');
  });

  it("keep whatever else a message carries, with its digits", () => {
    const turns = chatOf('[{"role":"tool","tool_call_id":"c1","content":{"id":12345678901234567890},"seed":9007199254740993}]');
    expect(turns).toEqual([{ role: "tool", text: '{\n  "id": 12345678901234567890\n}', calls: [], rest: { tool_call_id: "c1", seed: new SourceNumber("9007199254740993") } }]);
  });

  it("are read whatever is nested in them", () => {
    const deep = "[".repeat(5_000) + "]".repeat(5_000);
    const turns = chatOf(`[{"role":"user","content":${deep},"tool_calls":[{"name":"find","arguments":${deep}}],"seed":${deep}}]`);
    expect(turns?.[0]).toMatchObject({ role: "user", calls: [{ name: "find" }] });
    expect(turns?.[0]?.text).toContain(words.explore.row.tooDeep);
  });

  it("are nothing else", () => {
    for (const other of ["plain text", "{broken", "[1,2]", '{"query":"x"}', null, "", "[]"]) {
      expect(chatOf(other), String(other)).toBeNull();
    }
  });
});
