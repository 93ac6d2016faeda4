import { defineConfig } from "vitest/config";

/** Tests in Chromium against the real binary; each file starts a server of its own. */
export default defineConfig({
  test: {
    include: ["tests/browser/*.test.ts"],
    // Limits are for what hangs: on a busy machine with two cores everything takes several times as long.
    testTimeout: 120_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 30_000, interval: 100 } },
    maxWorkers: 2,
  },
});
