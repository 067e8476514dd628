/** A process of its own for one mutation: the arena first, which is quick, and the unit tests of the core after it. */
import { realpathSync } from "node:fs";
import { startVitest } from "vitest/node";
import { ARENA_PROFILES, type ArenaProfileName } from "./arena-profile.js";
import { loadChanged } from "./changed-module.js";
import { hunt } from "./hunt.js";

export interface MutationOrder {
  /** The changed module; undefined for the code as it is. */
  readonly changed: { readonly path: string; readonly text: string } | undefined;
  readonly repository: string;
  /** Of each of the arena's profiles. */
  readonly schedules: number;
}

export type MutationAnswer =
  { readonly kind: "noticed"; readonly by: string } | { readonly kind: "survived" };

const TESTS = ["dataplane/dist/domain/replication/*.test.js", "operator/dist/domain/*.test.js"];

async function answer({ changed, repository, schedules }: MutationOrder): Promise<MutationAnswer> {
  if (changed !== undefined) loadChanged(new Map([[changed.path, changed.text]]));
  for (const profile of Object.keys(ARENA_PROFILES) as ArenaProfileName[]) {
    const where = { where: "arena", profile } as const;
    const { caughtBy, aborted } = await hunt(where, { schedules, timeLimitMs: 30_000 });
    if (caughtBy !== undefined) return { kind: "noticed", by: caughtBy };
    if (aborted > 0) return { kind: "noticed", by: "an exception in the arena" };
  }
  return (await unitTestsFail(changed, repository))
    ? { kind: "noticed", by: "unit tests" }
    : { kind: "survived" };
}

async function unitTestsFail(changed: MutationOrder["changed"], repository: string): Promise<boolean> {
  const path = changed === undefined ? undefined : realpathSync(changed.path);
  const plugin = {
    name: "mutation",
    enforce: "pre" as const,
    load: (id: string) => (id === path ? changed?.text : undefined),
  };
  const options = {
    config: false as const,
    root: repository,
    watch: false,
    include: TESTS,
    exclude: ["**/node_modules/**"],
    reporters: [{}],
    pool: "threads" as const,
    maxWorkers: 1,
    bail: 1,
    testTimeout: 30_000,
    env: { PRISM_WORLD_SEEDS: "25" },
  };
  const vitest = await startVitest("test", [], options, { plugins: [plugin] });
  const failed = vitest.state.getCountOfFailedTests() > 0 || vitest.state.getUnhandledErrors().length > 0;
  const ran = vitest.state.getFiles().length > 0;
  await vitest.close();
  if (!ran) throw new Error("no unit tests were found: build first");
  return failed || vitest.state.getFiles().some((file) => file.result?.state === "fail");
}

process.once("message", (order: MutationOrder) => {
  answer(order).then(
    (told) => process.send!(told, () => process.exit(0)),
    (error: unknown) =>
      process.send!({ kind: "noticed", by: `an error: ${String(error)}` }, () => process.exit(0)),
  );
});
