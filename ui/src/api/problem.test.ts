import { describe, expect, it } from "vitest";

import { lastFailure, Problem } from "./problem";

describe("a problem", () => {
  const problem = new Problem({
    status: 400,
    detail: "several",
    problems: [
      { field: "name", message: "is missing" },
      { field: "tables[1].where[0][12].operator", message: "is wrong", hint: "write another" },
      { field: "tables[10].where[1]", message: "is wrong too" },
    ] as Problem["fields"],
  });

  it("is about a field, or a part of it", () => {
    expect(problem.of("name")).toBe("is missing");
    expect(problem.of("nam")).toBeUndefined();
    expect(problem.of("tables")).toBe("is wrong; write another");
  });

  it("is told within a part of the request by the names that fields have there", () => {
    const inside = problem.within("tables[1]");
    expect(inside.of("where[0]")).toBe("is wrong; write another");
    expect([inside.of("where[1]"), inside.of("name")]).toEqual([undefined, undefined]);
    expect(problem.within("tables[10]").of("where[1]")).toBe("is wrong too");
    expect(problem.within("tables[2]").fields).toEqual([]);
  });
});

describe("what failed of several changes", () => {
  const change = (status: string, submittedAt: number, error: unknown = null) => ({ status, submittedAt, error });

  it("is told of the one that was asked for last", () => {
    expect(lastFailure(change("error", 1, "first"), change("error", 2, "second"))).toBe("second");
    expect(lastFailure(change("error", 3, "first"), change("error", 2, "second"))).toBe("first");
    expect(lastFailure(change("error", 1, "first"), change("idle", 0))).toBe("first");
  });

  it("is forgotten as soon as another is asked for", () => {
    for (const status of ["pending", "success"]) expect(lastFailure(change("error", 1, "first"), change(status, 2))).toBeNull();
    expect(lastFailure(change("idle", 0), change("idle", 0))).toBeNull();
  });
});
