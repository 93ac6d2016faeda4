import { expect, it } from "vitest";

import { partsOf } from "./address";
import { pathOf } from "./project";

it("parts of a path are those that it was made of, whatever is in them", () => {
  const parts = ["my shop", "exports", "100%", "a%20b", "a/b?c#d", "ünïcödé"] as const;
  expect(partsOf(pathOf(...parts))).toEqual(["projects", ...parts]);
  expect(partsOf("/projects/shop/")).toEqual(["projects", "shop"]);
  // Nobody can make this of a name, but anybody can type it.
  expect(partsOf("/projects/shop/exports/100%")).toEqual(["projects", "shop", "exports", "100%"]);
});
