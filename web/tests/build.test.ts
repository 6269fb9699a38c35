// What `npm run build` writes keeps its promises. The build itself is part of the test.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";

/** 70 KiB. A quarter of it reads Markdown. */
const BUDGET = 70 * 1024;
/** With everything that is loaded only when it is wanted: the settings, what keys sign with, and what
 * draws formulas, which is the larger half. */
const WHOLE = 200_000;
const dist = join(import.meta.dirname, "../test-results/build");
let html = "";
let files: string[] = [];

beforeAll(() => {
  // A process of its own: the test runner would have Svelte built for development.
  const vite = join(import.meta.dirname, "../node_modules/vite/bin/vite.js");
  const options = ["build", "--outDir", dist, "--emptyOutDir", "--logLevel", "error"];
  execFileSync(process.execPath, [vite, ...options], { env: { ...process.env, NODE_ENV: "production" } });
  html = readFileSync(join(dist, "index.html"), "utf8");
  files = readdirSync(dist, { recursive: true, withFileTypes: true })
    // The compressed forms are the same files again.
    .filter((entry) => entry.isFile() && !/\.(?:br|gz)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}, 120_000);

function size(paths: string[]): number {
  return paths.reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0);
}

describe("the built page", () => {
  test("is loaded with less than 70 KiB", () => {
    const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((match) => join(dist, match[1]!));
    const first = size([join(dist, "index.html"), ...named]);
    const all = size(files);
    console.info(`with gzip: first load ${(first / 1000).toFixed(1)} kB, all ${(all / 1000).toFixed(1)} kB`);
    expect(first).toBeGreaterThan(10_000);
    expect(first).toBeLessThan(BUDGET);
    expect(all).toBeLessThan(WHOLE);
  });

  test("has nothing inline, as the content policy of the server forbids it", () => {
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
    for (const [tag, content] of html.matchAll(/<script[^>]*>([^<]*)<\/script>/g)) {
      expect(tag).toContain("src=");
      expect(content).toBeFalsy();
    }
  });

  test("names only files that are there, and nobody else's", () => {
    const names = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(3);
    for (const name of names) expect(existsSync(join(dist, name)), name).toBe(true);
  });

  test("never makes HTML or code out of text", () => {
    for (const file of files.filter((name) => name.endsWith(".js"))) {
      const code = readFileSync(file, "utf8");
      expect(code, file).not.toMatch(/\beval\(|new Function\(|document\.write|insertAdjacentHTML/);
    }
    const sources = readdirSync("src", { recursive: true, encoding: "utf8" });
    for (const name of sources.filter((one) => /(svelte|[^t]\.ts)$/.test(one))) {
      expect(readFileSync(join("src", name), "utf8"), name).not.toMatch(/\{@html|\.(inner|outer)HTML/);
    }
  });
});
