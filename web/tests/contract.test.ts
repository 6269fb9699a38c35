// @vitest-environment node

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { contract, render } from "../dev/contract.mjs";

test("the types of the page are those of the server's document", async () => {
  // When this fails: `npm run types`.
  expect(await readFile(contract, "utf8")).toBe(await render());
});
