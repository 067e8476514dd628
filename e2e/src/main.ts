/** The commands behind `make e2e`, `make kube-up`, `make kube-down` and `make images`. */
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { kubeBinaries } from "./cluster/kube-binary.js";
import { missingPackages } from "./cluster/kube-node.js";
import { KubeCluster, removeCluster } from "./cluster/kube-cluster.js";
import { runCommand } from "./cluster/run-command.js";
import { archiveOf, buildImages, buildPauseImage } from "./images/build-images.js";
import { REPOSITORY } from "./images/image-content.js";
import { EVIDENCE } from "./scenario/evidence.js";
import { writeOperationsPage } from "./scenario/operation-figures.js";

const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** Installs what Debian has of it, as root; else says in one line what to install. */
async function installPackages(): Promise<void> {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const command = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0) throw new Error(`packages are missing: sudo ${command.join(" ")}`);
  console.log(`installing ${missing.join(" ")}`);
  await runCommand(["apt-get", "update", "-q"], { timeoutMs: INSTALL_TIMEOUT_MS });
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await runCommand(command, { timeoutMs: INSTALL_TIMEOUT_MS, env });
}

async function images(): Promise<void> {
  await installPackages();
  for (const name of await buildImages(process.env["BASE"])) console.log(`${name} in ${archiveOf(name)}`);
}

async function up(): Promise<void> {
  await images();
  await buildPauseImage();
  const started = performance.now();
  const cluster = await KubeCluster.up({ images: dirname(archiveOf("pause")) });
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  console.log(`three nodes are ready after ${seconds} s\nexport KUBECONFIG=${cluster.kubeconfig}`);
}

/** On a cluster of somebody else. */
async function sayWhatIsLeftOut(): Promise<void> {
  const files = await readdir(join(REPOSITORY, "e2e/src/scenarios"));
  const faults = files.flatMap((file) => /^(.+)-fault\.e2e\.test\.ts$/.exec(file)?.[1] ?? []);
  console.log(
    `on the cluster of ${process.env["KUBECONFIG"]}: the scenarios ${faults.join(", ")} are left out, because they need ` +
      "machines of their own to break; so are the tests of an API server alone, because they change its definitions. `make e2e` without " +
      "KUBECONFIG runs them, on a cluster of its own",
  );
}

const TESTS_TIMEOUT_MS = 28 * 60_000;

/** Everything is ended and removed after it, also when it is interrupted; evidence of failures is in .prism/e2e. */
async function test(): Promise<void> {
  const own = process.env["KUBECONFIG"] === undefined;
  if (own) await installPackages();
  else await sayWhatIsLeftOut();
  await rm(EVIDENCE, { recursive: true, force: true });
  const deadlineMs = performance.now() + TESTS_TIMEOUT_MS;
  const vitest = async (config: string): Promise<boolean> => {
    // However this process ends: tests that go on would hold what the next run needs.
    const command = [
      "setpriv",
      "--pdeathsig",
      "KILL",
      process.execPath,
      join(REPOSITORY, "node_modules/vitest/vitest.mjs"),
      "run",
      "--config",
      config,
    ];
    try {
      const timeoutMs = Math.max(1, Math.floor(deadlineMs - performance.now()));
      await runCommand(command, { cwd: REPOSITORY, show: true, timeoutMs });
      return true;
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      return false;
    }
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(
      signal,
      () => void (own ? removeCluster() : Promise.resolve()).finally(() => process.exit(1)),
    );
  try {
    await kubeBinaries();
    const api = own ? await vitest("vitest.kube.config.ts") : true;
    const scenarios = await vitest("vitest.e2e.config.ts");
    if (!api || !scenarios) process.exitCode = 1;
    else if (process.env["WRITE"] === "1") await writeOperationsPage(new Date());
  } finally {
    if (own) await removeCluster();
  }
}

const commands: Readonly<Record<string, () => Promise<void>>> = { images, up, down: removeCluster, test };
const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error(`usage: main.js ${Object.keys(commands).join(" | ")}`);
  process.exitCode = 64;
} else await command();
