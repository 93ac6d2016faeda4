import { expect, it } from "vitest";

import type { Table } from "../api/catalog";
import type { Schemas } from "../api/client";
import { NOTHING } from "../explore/state";
import { requestOf, USUAL_OPTIONS, type Options } from "./request";

const table = { name: "events", filters: [] } as unknown as Table;
const catalog = { comments: true, formats: [{ name: "csv", compressible: true }] } as unknown as Schemas["Catalog"];

function asked(options: Partial<Options>): Schemas["ExportRequest"] {
  return requestOf({ table, shown: NOTHING, visible: ["id"], selected: [], options: { ...USUAL_OPTIONS, format: "csv", ...options }, catalog });
}

it("limits are sent as they were entered, so that what makes no sense is refused and not taken for everything", () => {
  expect(asked({})).toEqual({ table: "events", format: "csv" });
  expect(["70", "0", "-5", "1.5"].map((limit) => asked({ limit }).limit)).toEqual([70, 0, -5, 1.5]);
  expect(["2.5", "0", "-1"].map((rollMegabytes) => asked({ rollMegabytes }).rollBytes)).toEqual([2_500_000, 0, -1_000_000]);
});
