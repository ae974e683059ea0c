import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["tests/web/**/*.test.js"] },
      },
      {
        test: {
          name: "e2e",
          include: ["tests/e2e/**/*.test.js"],
          globalSetup: "tests/e2e/support/host.js",
          // One browser, one ComfyUI: what one test file stores, another would see.
          fileParallelism: false,
          testTimeout: 60_000,
          // A browser on a busy machine takes its time.
          expect: { poll: { timeout: 20_000, interval: 100 } },
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
