import { describe, expect, it } from "vitest";

import { axisOf, isNarrowed, NOTHING, read, rowsOf, write, zoomedTo, type Shown } from "./state";

const everything: Shown = {
  filter: [{ type: "or", filters: [{ type: "string", column: "name", operator: "=", value: "a,b&c=\"d\"" }, { type: "not", filter: { type: "null", column: "endTime", operator: "is null", value: "" } }] }],
  unread: ["{broken", '{"type":"or"}'],
  where: ['level = "ERROR" and latency > 2', "totalCost > 1"],
  search: "rückerstattung & <b>",
  searchTypes: ["id", "content"],
  since: "-24h",
  until: "2026-06-30T12:00:00Z",
  timestamp: "ingested",
  order: "oldest_first",
  columns: ["id", "name", "scores"],
  row: "a/b+c=",
  tab: "raw",
};

describe("the address", () => {
  it("carries the whole state", () => {
    expect(read(write(everything))).toEqual(everything);
    expect(read(write(NOTHING))).toEqual(NOTHING);
    expect(write(NOTHING)).toBe("");
  });

  it("may be mistyped", () => {
    expect(read("in=id,nonsense").searchTypes).toEqual(["id"]);
    expect(read("order=upwards").order).toBe("newest_first");
    expect(read('filter={"type":"number","column":"latency","operator":">","value":2}').filter).toHaveLength(1);
  });

  it("keeps filters that cannot be read, so that nothing widens in silence", () => {
    const good = '{"type":"number","column":"latency","operator":">","value":2}';
    const found = (text: string) => read(`filter=${encodeURIComponent(text)}`);
    expect(found("[{broken")).toMatchObject({ filter: [], unread: ["[{broken"] });
    expect(found(`[${good},{"type":"not"},7]`)).toMatchObject({ filter: [JSON.parse(good)], unread: ['{"type":"not"}', "7"] });
    expect(found("null").unread).toEqual(["null"]);
    expect(found("").unread).toEqual([]);
    expect(isNarrowed({ ...NOTHING, unread: ["x"] })).toBe(true);
  });

  it("says which rows are meant, and nothing of how they are shown", () => {
    expect(Object.keys(rowsOf(everything)).sort()).toEqual(["filter", "search", "searchTypes", "since", "timestamp", "until", "where"]);
    expect(rowsOf({ ...NOTHING, columns: ["id"], row: "x" })).toEqual({});
    expect(isNarrowed({ ...NOTHING, columns: ["id"] })).toBe(false);
  });

  it("says of start times what bars are drawn by, and nothing of times of storing", () => {
    const day = { since: "2026-06-30T00:00:00Z", until: "2026-07-01T00:00:00Z" };
    const stored: Shown = { ...NOTHING, since: "-24h", timestamp: "ingested" };
    expect(axisOf({ ...NOTHING, ...day })).toEqual(day);
    expect(axisOf(stored)).toEqual({ since: null, until: null });
    expect(rowsOf({ ...stored, ...zoomedTo(day) })).toEqual(day);
  });
});
