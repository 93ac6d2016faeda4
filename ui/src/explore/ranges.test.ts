import { describe, expect, it } from "vitest";

import { boundOf, isTurned, toLocalField } from "./ranges";

describe("a field for a bound", () => {
  it("keeps the bound that it shows, however much more that says", () => {
    for (const bound of ["2026-06-20", "2026-06-20T10:00:00.123Z", "2026-06-20T10:00:00.123456Z", "-24h", "-1h", null]) {
      for (const zone of ["local", "utc"] as const) expect(boundOf(toLocalField(bound, zone), bound, zone)).toBe(bound);
    }
  });

  it("gives it up for what is entered, and for nothing where it is emptied", () => {
    expect(boundOf("2026-06-21T12:30", "2026-06-20T10:00:00.123Z", "utc")).toBe("2026-06-21T12:30:00.000Z");
    expect(boundOf("2026-06-21T12:30", "-24h", "utc")).toBe("2026-06-21T12:30:00.000Z");
    expect(boundOf("", "2026-06-20", "utc")).toBe(null);
  });

  it("shows a date as the instant that the server takes it for", () => {
    expect(toLocalField("2026-06-20", "utc")).toBe("2026-06-20T00:00");
  });
});

describe("a range", () => {
  it("is turned where its end is not after its beginning", () => {
    expect(isTurned({ since: "2026-06-20T10:00:00.100Z", until: "2026-06-20T10:00:00.200Z" })).toBe(false);
    expect(isTurned({ since: "2026-06-21", until: "2026-06-20T10:00:00Z" })).toBe(true);
    expect(isTurned({ since: "2026-06-20", until: "2026-06-20" })).toBe(true);
    expect(isTurned({ since: "-1h", until: "2026-06-20" })).toBe(false);
    expect(isTurned({ since: null, until: "2026-06-20" })).toBe(false);
  });
});
