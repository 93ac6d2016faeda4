import { defineConfig } from "vitest/config";

/** Tests of what needs no browser. */
export default defineConfig({ test: { include: ["src/**/*.test.ts", "tests/contract/*.test.ts"] } });
