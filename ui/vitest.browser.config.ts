import { defineConfig } from "vitest/config";

/** Tests in Chromium against the real binary; each file starts a server of its own. */
export default defineConfig({
  test: {
    include: ["tests/browser/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
