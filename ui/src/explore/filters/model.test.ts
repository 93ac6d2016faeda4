import { describe, expect, it } from "vitest";

import { fieldOf, isComplete, isFilter, negated, orWith, replaceAt, summary, without, withOperator, type Condition, type Filter, type FilterColumn } from "./model";

const level: Filter = { type: "stringOptions", column: "level", operator: "any of", value: ["ERROR"] };
const slow: Filter = { type: "number", column: "latency", operator: ">", value: 2 };
const named: Filter = { type: "string", column: "name", operator: "contains", value: "chat" };

describe("filters", () => {
  it("gain alternatives, and lose them again", () => {
    const either = orWith(orWith(level, slow), named);
    expect(either.filters).toHaveLength(3);
    const two = replaceAt([either], [0, 1], null);
    expect(two).toEqual([{ type: "or", filters: [level, named] }]);
    expect(replaceAt(two, [0, 0], null)).toEqual([named]);
    expect(replaceAt([named], [0], null)).toEqual([]);
  });

  it("can be replaced within a complement, which goes with what was in it", () => {
    const not = negated(level);
    expect(negated(not)).toBe(level);
    expect(replaceAt([not], [0, 0], slow)).toEqual([{ type: "not", filter: slow }]);
    expect(replaceAt([slow, not], [1, 0], null)).toEqual([slow]);
  });

  it("can be left out, with what they mean something in alone", () => {
    const both: Filter = { type: "and", filters: [level, slow] };
    expect(without([slow, named], [1])).toEqual([slow]);
    expect(without([both, named], [0, 1])).toEqual([level, named]);
    expect(without([named, orWith(level, slow)], [1, 0])).toEqual([named]);
    expect(without([negated(both), named], [0, 0, 1])).toEqual([named]);
    expect(without([{ type: "and", filters: [slow, orWith(level, named)] }], [0, 1, 1])).toEqual([slow]);
    // Where something is added nothing stands yet.
    expect(without([both], [0, 2])).toEqual([both]);
  });

  it("are named as the server names them", () => {
    const filters: Filter[] = [slow, { type: "or", filters: [level, negated(named)] }];
    expect(fieldOf(filters, [0])).toBe("filter[0]");
    expect(fieldOf(filters, [1, 1])).toBe("filter[1].filters[1]");
    expect(fieldOf(filters, [1, 1, 0])).toBe("filter[1].filters[1].filter");
  });

  it("from elsewhere have the shape of filters, or are none", () => {
    for (const filter of [level, negated(slow), orWith(level, negated(named)), { ...named, value: null }, { type: "boolean", column: "x", operator: "=", value: false }]) {
      expect(isFilter(filter), JSON.stringify(filter)).toBe(true);
    }
    const others: unknown[] = [
      { type: "or" },
      { type: "and", filters: [] },
      { type: "or", filters: [level, null] },
      { type: "not" },
      { type: "not", filter: [level] },
      { type: "string", column: "name" },
      { type: "string", operator: "=", value: "x" },
      { ...named, column: 1 },
      { ...named, key: {} },
      { ...named, value: { a: 1 } },
      { ...level, value: [["ERROR"]] },
      [level],
      "level",
      null,
    ];
    for (const other of others) expect(isFilter(other), JSON.stringify(other)).toBe(false);
  });

  it("read as one line", () => {
    expect(summary([slow, { type: "or", filters: [level, negated(named)] }])).toBe(
      "latency > 2 and (level any of ERROR or not name contains chat)",
    );
    const placed = (key: string, value?: number): Filter => ({ type: "positionInTrace", column: "positionInTrace", operator: "=", key, ...(value && { value }) });
    expect([placed("last"), placed("nthFromEnd", 2)].map((filter) => summary([filter]))).toEqual([
      "positionInTrace = last of the trace",
      "positionInTrace = number 2 from the end",
    ]);
    const scored: Filter = { type: "numberObject", column: "scores_avg", key: "accuracy", operator: ">=", value: 0.8 };
    expect(summary([scored])).toBe("scores_avg.accuracy >= 0.8");
  });

  it("say times of the zone of whoever reads them", () => {
    const since = (value: string): Filter => ({ type: "datetime", column: "startTime", operator: ">=", value });
    const [year, month, day, hour, minute] = [2026, 5, 30, 14, 3] as const;
    const [whole, parts] = [new Date(year, month, day, hour, minute, 2), new Date(year, month, day, hour, minute, 2, 113)];
    expect(summary([since(whole.toISOString())])).toBe("startTime >= 2026-06-30 14:03:02");
    expect(summary([since(parts.toISOString())])).toBe("startTime >= 2026-06-30 14:03:02.113");
    expect(summary([since("yesterday")])).toBe("startTime >= yesterday");
  });

  it("keep their value under another operator, also where it is nought or false", () => {
    const value = (filter: Condition, type: Condition["type"], name: string) => withOperator(filter, { type, name }).value;
    expect(value({ type: "boolean", column: "hasOutput", operator: "=", value: false }, "boolean", "<>")).toBe(false);
    expect(value({ type: "number", column: "latency", operator: ">", value: 0 }, "number", "<")).toBe(0);
    expect(value({ type: "stringOptions", column: "level", operator: "any of", value: ["ERROR"] }, "arrayOptions", "none of")).toEqual(["ERROR"]);
    expect(value({ type: "number", column: "latency", operator: ">", value: 2 }, "string", "=")).toBe("");
    expect(value({ type: "null", column: "endTime", operator: "is null" }, "boolean", "=")).toBe(true);
  });

  it("are complete with everything that they need", () => {
    const column = { id: "metadata", keyed: true } as FilterColumn;
    const filter = { type: "stringObject", column: "metadata", operator: "=", value: "eu" } as const;
    expect(isComplete(filter, column)).toBe(false);
    expect(isComplete({ ...filter, key: "region" }, column)).toBe(true);
    expect(isComplete({ ...filter, key: "region", value: "" }, column)).toBe(false);
    const position = { id: "positionInTrace", keyed: true } as FilterColumn;
    const third = { type: "positionInTrace", column: "positionInTrace", operator: "=", key: "nthFromStart" } as const;
    expect([3, 1, 0, 1.5, ""].map((value) => isComplete({ ...third, value }, position))).toEqual([true, true, false, false, false]);
    expect(isComplete({ ...third, key: "root" }, position)).toBe(true);
  });
});
