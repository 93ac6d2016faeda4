import { describe, expect, it } from "vitest";

import { words } from "../../words";
import { jsonText, parseJson, SourceNumber } from "./json";

describe("stored JSON", () => {
  it("keeps the digits of its numbers", () => {
    const source = '{"id":12345678901234567890,"share":1.0,"small":[1e-9,-0],"plain":42,"text":"9007199254740993 \\" 1.0\\\\","1.0":null}';
    expect(parseJson(source)).toEqual({
      id: new SourceNumber("12345678901234567890"),
      share: new SourceNumber("1.0"),
      small: [1e-9, new SourceNumber("-0")],
      plain: 42,
      text: '9007199254740993 " 1.0\\',
      "1.0": null,
    });
    expect(jsonText(parseJson(source))!.replaceAll(/\n */g, "").replaceAll('": ', '":')).toBe(source);
    expect(parseJson("9007199254740993")).toEqual(new SourceNumber("9007199254740993"));
  });

  it("is no more lenient than JSON", () => {
    for (const text of ["[01]", "[1.]", "{1:2}", '["a', "[1 2]", ""]) expect(() => parseJson(text), text).toThrow();
  });

  it("may be nested as deeply as somebody likes", () => {
    const levels = 100_000;
    const value = parseJson("[".repeat(levels) + "]".repeat(levels));
    let depth = 0;
    for (let inner: unknown = value; Array.isArray(inner); [inner] = inner as unknown[]) depth += 1;
    expect(depth).toBe(levels);
    expect(jsonText(value)).toBe(words.explore.row.tooDeep);
  });

  it("may be long", () => {
    const text = "x\\\"".repeat(1_000_000);
    expect(parseJson(`["${text}",10000000000000000001]`)).toEqual([JSON.parse(`"${text}"`), new SourceNumber("10000000000000000001")]);
  });
});
