import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "training/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Only against hanging: on a busy machine everything takes ten times as long, and may.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
