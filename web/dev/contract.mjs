// Makes contract.ts: the types of the native API, from the document that the server serves.
// `npm run types` writes it.

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const document = new URL("../../crates/nexus-api/openapi.json", import.meta.url);
export const contract = fileURLToPath(new URL("../contract.ts", import.meta.url));

/** The text of contract.ts. The page calls routes by their paths, so that it needs only the schemas. */
export async function render() {
  const { openapi, info, components } = JSON.parse(await readFile(document, "utf8"));
  const schemas = { openapi, info, paths: {}, components: { schemas: components.schemas } };
  const types = astToString(await openapiTS(schemas, { defaultNonNullable: false }));
  return `// Made by \`npm run types\` from crates/nexus-api/openapi.json. Changes belong there.\n\n${types}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(contract, await render());
