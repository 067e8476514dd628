/** Prints every violation of the house rules in the files git knows of; exit code 1 when there is one. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { checkPins, checkSource, checkText, type TidyViolation } from "./tidy-rules.js";

const GENERATED = /\/gen\/|\/testdata\/|^package-lock\.json$/;
const OWN_EXAMPLES = /^scripts\/src\/tidy-rules(\.test)?\.ts$/;

const tracked = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  encoding: "utf8",
});
const violations: TidyViolation[] = [];
let files = 0;
for (const path of tracked.split("\n").filter((name) => name !== "" && !GENERATED.test(name))) {
  if (OWN_EXAMPLES.test(path)) continue;
  const isSource = path.endsWith(".ts");
  const isPins = path.endsWith("package.json");
  if (!isSource && !isPins && !/\.(md|json|ya?ml|proto)$|^Makefile$/.test(path)) continue;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    continue; // deleted, not yet committed
  }
  files += 1;
  const file = { path, text };
  if (isSource) violations.push(...checkSource(file));
  else violations.push(...checkText(file));
  if (isPins) violations.push(...checkPins(file));
}
for (const { path, line, message } of violations) console.error(`${path}:${line}: ${message}`);
console.log(`tidy: ${files} files, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;
