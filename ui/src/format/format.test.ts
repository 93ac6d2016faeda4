import { describe, expect, it } from "vitest";

import { bytes, dollars, plain, share } from "./numbers";
import { duration, instant, recent, relative, rough, tickText } from "./times";

describe("numbers", () => {
  it("bytes keep three digits and a unit", () => {
    expect([0, 999, 1_000, 48_210, 120_000_000, 999_600].map(bytes)).toEqual([
      "0 B", "999 B", "1.0 kB", "48.2 kB", "120 MB", "1.0 MB",
    ]);
  });

  it("of cells keep all their digits, and get no others", () => {
    expect([1_719_700_000_123, Number.MAX_SAFE_INTEGER, 0.1, 0.1 + 0.2, 1 / 3, -2.5e-9].map(plain)).toEqual([
      "1,719,700,000,123", "9,007,199,254,740,991", "0.1", "0.30000000000000004", "0.3333333333333333", "-0.0000000025",
    ]);
  });

  it("small amounts keep digits that count", () => {
    expect([0, 12.5, 0.0105, 0.000184, 0.1, 9e-8].map(dollars)).toEqual(["$0", "$12.50", "$0.0105", "$0.000184", "$0.10", "<$0.000001"]);
  });

  it("only what is done is 100%", () => {
    expect([0, 0.999, 1, 1.2].map(share)).toEqual(["0%", "99%", "100%", "100%"]);
  });
});

describe("times", () => {
  it("texts without a zone are UTC", () => {
    expect(instant("2026-06-30 12:00:00.123456")?.toISOString()).toBe("2026-06-30T12:00:00.123Z");
    expect(instant("2026-06-30T12:00:00Z")?.toISOString()).toBe("2026-06-30T12:00:00.000Z");
    expect(instant("2026-06-30T12:00:00+02:00")?.toISOString()).toBe("2026-06-30T10:00:00.000Z");
    expect(instant("yesterday")).toBeNull();
  });

  it("are relative within a day only", () => {
    const now = new Date("2026-06-30T12:00:00Z");
    expect(relative(new Date("2026-06-30T11:48:00Z"), now)).toBe("12 min ago");
    expect(relative(new Date("2026-07-06T12:00:00Z"), now)).toBe("in 6 d");
    expect(recent(new Date("2026-06-20T00:00:00Z"), now)).toMatch(/^\d+ Jun \d\d:00:00$/);
  });

  it("ticks of an axis say what is new at them", () => {
    const ticks = [[2026, 0, 1], [2026, 5, 1], [2026, 5, 30], [2026, 5, 30, 18], [2026, 5, 30, 0, 5], [2026, 5, 30, 18, 3, 7]] as const;
    expect(ticks.map(([year, month, day, ...clock]) => tickText(new Date(year, month, day, ...clock)))).toEqual([
      "2026", "Jun", "30 Jun", "18:00", "00:05", ":07",
    ]);
  });

  it("durations have one unit, or two", () => {
    expect([318, 1_240, 12_340, 200_000, 3_700_000].map(duration)).toEqual([
      "318 ms", "1.24 s", "12.3 s", "3 min 20 s", "1 h 2 min",
    ]);
  });

  it("never come to sixty of a unit, or a thousand", () => {
    expect([999.4, 999.6, 9_994, 9_996, 59_940, 59_960, 119_700, 3_599_600, 7_199_000, 7_170_000].map(duration)).toEqual([
      "999 ms", "1.00 s", "9.99 s", "10.0 s", "59.9 s", "1 min 0 s", "2 min 0 s", "1 h 0 min", "2 h 0 min", "2 h 0 min",
    ]);
    expect([0, 59_400, 59_600, 3_569_000, 3_571_000, 47.4 * 3_600_000, 47.6 * 3_600_000].map(rough)).toEqual([
      "1 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d",
    ]);
  });
});
