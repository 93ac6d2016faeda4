import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const TOKENS = readFileSync(new URL("../../src/styles/tokens.css", import.meta.url), "utf8");

/** What shows that something is a field, as WCAG 1.4.11 wants it. */
const CONTRAST_MIN = 3;

it("fields and check boxes are seen on whatever they stand, in both themes", () => {
  for (const theme of ["light", "dark"]) {
    const rules = TOKENS.slice(TOKENS.indexOf(`[data-theme="${theme}"] {`));
    const colour = (name: string) => new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(rules)![1]!;
    for (const ground of ["ground", "sunken", "raised", "hover", "chosen"]) {
      const [lighter, darker] = [luminance(colour("line-field")), luminance(colour(ground))].sort((a, b) => b - a) as [number, number];
      expect((lighter + 0.05) / (darker + 0.05), `${theme}: line-field on ${ground}`).toBeGreaterThanOrEqual(CONTRAST_MIN);
    }
  }
});

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
