import { defineConfig } from "vitest/config";

// A browser on a busy machine takes its time, and loses a click now and then; one browser, one ComfyUI: what one test file stores,
// another would see.
const IN_BROWSER = {
  globalSetup: "tests/e2e/support/host.js",
  fileParallelism: false,
  retry: 1,
  testTimeout: 60_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 20_000, interval: 100 } },
};

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["tests/web/**/*.test.js"] } },
      { test: { name: "e2e", include: ["tests/e2e/**/*.test.js"], ...IN_BROWSER } },
      { test: { name: "screenshots", include: ["tests/e2e/screenshots.js"], ...IN_BROWSER } },
    ],
  },
});
