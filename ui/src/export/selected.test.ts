import { describe, expect, it } from "vitest";

import type { Table } from "../api/catalog";
import { onlySelected, selectedOf } from "./selected";

const of = (name: string, id: string, traceId: string | null) => selectedOf({ name } as Table, { id, traceId });

describe("selected rows", () => {
  it("are named by trace and id where spans of two traces may have one id", () => {
    const ids = (...value: string[]) => ({ type: "stringOptions", column: "id", operator: "any of", value });
    const trace = (value: string) => ({ type: "string", column: "traceId", operator: "=", value });
    expect(onlySelected([of("events", "1", "a"), of("events", "2", "a"), of("events", "1", "b")])).toEqual({
      type: "or",
      filters: [
        { type: "and", filters: [trace("a"), ids("1", "2")] },
        { type: "and", filters: [trace("b"), ids("1")] },
      ],
    });
    expect(onlySelected([of("observations", "1", "a")])).toEqual({ type: "and", filters: [trace("a"), ids("1")] });
  });

  it("are named by id where it is enough", () => {
    expect(onlySelected([of("scores", "1", "a"), of("scores", "2", null)])).toEqual({ type: "stringOptions", column: "id", operator: "any of", value: ["1", "2"] });
  });
});
