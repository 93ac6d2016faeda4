import { readFileSync } from "node:fs";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { expect, it } from "vitest";

const DOCUMENT = new URL("../../../crates/api/openapi.json", import.meta.url);
const TYPES = new URL("../../src/api/schema.d.ts", import.meta.url);

it("the types are those of the API's document; where they are not, run npm run types", async () => {
  const made = COMMENT_HEADER + astToString(await openapiTS(DOCUMENT, { defaultNonNullable: false }));
  expect(readFileSync(TYPES, "utf8") === made, "src/api/schema.d.ts has drifted").toBe(true);
});
