import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  // Components are mounted as browsers do it.
  resolve: { conditions: ["browser"] },
  test: { include: ["src/**/*.test.ts", "tests/*.test.ts"], environment: "happy-dom" },
});
