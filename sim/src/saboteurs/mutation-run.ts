/**
 * The program behind `make sim-mutations`: a sample of all mutations of the protocol core, drawn with a
 * fixed seed, each in a process of its own. Writes sim/mutations.md, with the survivors and what
 * mutation-notes.ts says of them. Arguments: `--sample <count>`, `--seed <number>`.
 */
import { fork } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { inParallel } from "./in-parallel.js";
import type { MutationAnswer, MutationOrder } from "./mutation-process.js";
import { mutationPage, type MutationTrial } from "./mutation-report.js";
import { mutated, mutationsOf } from "./mutator.js";
import { SeededRandom } from "./seeded-random.js";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const PROCESS = fileURLToPath(new URL("./mutation-process.js", import.meta.url));
const PAGE = fileURLToPath(new URL("../../mutations.md", import.meta.url));
const REPLICATION = "dataplane/dist/domain/replication";
const OPERATOR = ["shard-record", "plan-promotion", "plan-shard"].map(
  (name) => `operator/dist/domain/${name}.js`,
);
const LANES = Math.min(4, availableParallelism());
const SCHEDULES = 25;
/** Of the code as it is, on the slowest machine. */
const UNCHANGED_LIMIT_MS = 900_000;
/** A mutation that takes so many times as long as the code as it is does not end: somebody waits for it. */
const PATIENCE = 5;
const SHORTEST_LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: { sample: { type: "string", default: "150" }, seed: { type: "string", default: "1" } },
});

async function main(): Promise<number> {
  const files = [...replicationFiles(), ...OPERATOR];
  const all = files.flatMap((file) => {
    const text = readFileSync(join(REPOSITORY, file), "utf8");
    return mutationsOf(text).map((mutation) => ({ file, text, mutation }));
  });
  const begunMs = performance.now();
  const asItIs = { changed: undefined, repository: REPOSITORY, schedules: SCHEDULES };
  const unchanged = await run(asItIs, UNCHANGED_LIMIT_MS);
  const limitMs = Math.max(SHORTEST_LIMIT_MS, PATIENCE * (performance.now() - begunMs));
  if (unchanged.kind === "noticed") {
    console.error(`without any mutation: ${unchanged.by}`);
    return 1;
  }
  const chosen = sample(all, Number(values.sample), Number(values.seed));
  const trials = await inParallel(chosen, LANES, async (one): Promise<MutationTrial> => {
    const { file, text, mutation } = one;
    if (readFileSync(join(REPOSITORY, file), "utf8") !== text)
      throw new Error(`${file} was built anew meanwhile`);
    const changed = { path: join(REPOSITORY, file), text: mutated(text, mutation) };
    const answer = await run({ changed, repository: REPOSITORY, schedules: SCHEDULES }, limitMs);
    const source = file.replace("/dist/", "/src/").replace(/\.js$/, ".ts");
    console.log(
      `${answer.kind === "survived" ? "SURVIVED" : answer.by.padEnd(8)}  ${source}: ${mutation.what}   in   ${mutation.line}`,
    );
    return { file: source, what: mutation.what, line: mutation.line, answer };
  });
  const survivors = trials.filter(({ answer }) => answer.kind === "survived").length;
  console.log(`${trials.length} of ${all.length} mutations tried, ${survivors} survived`);
  writeFileSync(PAGE, mutationPage(trials, all.length));
  return 0;
}

function replicationFiles(): string[] {
  return readdirSync(join(REPOSITORY, REPLICATION))
    .filter((name) => name.endsWith(".js") && !name.endsWith(".test.js"))
    .sort()
    .map((name) => `${REPLICATION}/${name}`);
}

function sample<T>(list: readonly T[], count: number, seed: number): T[] {
  const random = new SeededRandom(seed);
  const rest = [...list];
  const taken: T[] = [];
  while (taken.length < count && rest.length > 0) taken.push(...rest.splice(random.below(rest.length), 1));
  return taken;
}

function run(order: MutationOrder, limitMs: number): Promise<MutationAnswer> {
  return new Promise((resolve) => {
    const child = fork(PROCESS, [], { stdio: ["ignore", "ignore", "ignore", "ipc"] });
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      resolve({ kind: "noticed", by: "it does not end" });
    }, limitMs);
    child.once("message", (answer: MutationAnswer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      resolve({ kind: "noticed", by: `the process ended with ${signal ?? code}` });
    });
    child.send(order);
  });
}

process.exitCode = await main();
