import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  // Components are mounted as browsers do it.
  resolve: { conditions: ["browser"] },
  // Ten times what the slowest takes on a quiet machine: it only tells alive from stuck.
  test: { testTimeout: 60_000, include: ["src/**/*.test.ts", "tests/*.test.ts"], environment: "happy-dom" },
});
