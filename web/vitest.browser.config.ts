import { defineConfig } from "vitest/config";

// These tests drive a real browser against the real program, one after the other.
export default defineConfig({
  test: {
    include: ["tests/browser/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
