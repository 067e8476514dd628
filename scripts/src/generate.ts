/**
 * `generate` writes every generated file; `generate --check` only says which are stale.
 * Exit codes: 0 current or written, 1 stale.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { buildOpenApi } from "@prism/api/openapi";
import { generateLimitsPage, generateProblemsPage, generateReasonsPage } from "./generate-tables.js";
import { generateWire } from "./generate-wire.js";

interface Generated {
  readonly path: string;
  readonly text: string;
}

function generateAll(root: string): Generated[] {
  const proto = readFileSync(join(root, "proto/node.proto"), "utf8");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return [
    { path: "proto/src/gen/node.ts", text: generateWire(proto) },
    { path: "docs/openapi.json", text: JSON.stringify(buildOpenApi(version)) },
    { path: "docs/limits.md", text: generateLimitsPage() },
    { path: "docs/problems.md", text: generateProblemsPage() },
    { path: "docs/reasons.md", text: generateReasonsPage() },
  ];
}

function formatted(root: string, file: Generated): string {
  const prettier = join(root, "node_modules/.bin/prettier");
  return execFileSync(prettier, ["--ignore-path", "/dev/null", "--stdin-filepath", file.path], {
    cwd: root,
    input: file.text,
    encoding: "utf8",
  });
}

function current(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return undefined;
  }
}

const root = process.cwd();
const checkOnly = process.argv.includes("--check");
let stale = 0;
for (const file of generateAll(root)) {
  const text = formatted(root, file);
  if (current(root, file.path) === text) continue;
  if (checkOnly) {
    stale += 1;
    console.error(`${file.path} is not what its source generates; run \`make generate\``);
  } else {
    writeFileSync(join(root, file.path), text);
    console.log(`wrote ${file.path}`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
