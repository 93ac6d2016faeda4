import { describe, expect, it } from "vitest";

import { chatOf } from "./chat";

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

  it("are nothing else", () => {
    for (const other of ["plain text", "{broken", "[1,2]", '{"query":"x"}', null, "", "[]"]) {
      expect(chatOf(other), String(other)).toBeNull();
    }
  });
});
