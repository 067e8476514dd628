/** The commands behind `make kube-up`, `make kube-down` and `make images`. */
import { missingPackages } from "./cluster/kube-node.js";
import { KubeCluster, removeCluster } from "./cluster/kube-cluster.js";
import { runCommand } from "./cluster/run-command.js";
import { archiveOf, buildImages, buildPauseImage } from "./images/build-images.js";
import { dirname } from "node:path";

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

const commands: Readonly<Record<string, () => Promise<void>>> = { images, up, down: removeCluster };
const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error(`usage: main.js ${Object.keys(commands).join(" | ")}`);
  process.exitCode = 64;
} else await command();
