/** Builds Kubernetes' programs from their published modules, once for each version of e2e/kube/, outside of the tree. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./run-command.js";

const MODULE = join(import.meta.dirname, "../../kube");
const PROGRAMS = [
  "coredns",
  "etcd",
  "helm",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-proxy",
  "kube-scheduler",
  "kubectl",
  "kubelet",
  "volume-provisioner",
];
/** Cold, with modules to fetch, on a machine that is busy with other things. */
const BUILD_TIMEOUT_MS = 25 * 60_000;

let found: Promise<string> | undefined;

/**
 * The folder with all of Kubernetes' programs by name, made if it is missing: about 4 minutes the first time.
 *
 * @throws {Error} when Go is missing or the build fails.
 */
export async function kubeBinaries(): Promise<string> {
  found ??= find();
  return await found;
}

/** Where the tests keep what is costly to make and the same for every clone. */
export function cacheDirectory(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["PRISM_CACHE"] ?? join(cache, "prism");
}

async function find(): Promise<string> {
  const given = process.env["PRISM_KUBE_BIN"];
  if (given !== undefined) return given;
  const folder = join(cacheDirectory(), `kube-${await digestOfModule()}`);
  if (!existsSync(folder)) await build(folder);
  return folder;
}

async function digestOfModule(): Promise<string> {
  const hash = createHash("sha256");
  for (const file of (await readdir(MODULE, { recursive: true }))
    .filter((name) => /\.(go|mod|sum)$/.test(name))
    .sort())
    hash.update(`${file}\n`).update(await readFile(join(MODULE, file)));
  return hash.digest("hex").slice(0, 16);
}

/** Builds beside the place and renames: a build that was ended leaves nothing that looks finished. */
async function build(folder: string): Promise<void> {
  console.log("building Kubernetes' programs: once, about 4 minutes on two processors");
  await runCommand(["go", "version"]).catch((error: unknown) => {
    throw new Error("Go 1.25 or newer is missing: https://go.dev/dl (Debian's own is older)", {
      cause: error,
    });
  });
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    const flags = ["-trimpath", "-tags", "grpcnotrace,notest", "-ldflags", await linkerFlags()];
    const env = { ...process.env, CGO_ENABLED: "0", GOWORK: "off", GOFLAGS: "-mod=readonly -buildvcs=false" };
    for (const [name, folder] of [
      ["kube", "."],
      ["pause", "./pause"],
    ] as const)
      await runCommand(["go", "build", "-o", join(unfinished, name), ...flags, folder], {
        cwd: MODULE,
        env,
        timeoutMs: BUILD_TIMEOUT_MS,
      });
    for (const name of PROGRAMS) await symlink("kube", join(unfinished, name));
    await rename(unfinished, folder).catch((error: unknown) => {
      // Somebody else was faster with the same.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** A build from modules knows no version of itself, and the API server answers with the one that is set here. */
async function linkerFlags(): Promise<string> {
  const text = await readFile(join(MODULE, "go.mod"), "utf8");
  const version = /k8s\.io\/kubernetes (v1\.(\d+)\.\d+)/.exec(text);
  const helm = /helm\.sh\/helm\/v4 (v\S+)/.exec(text);
  if (version === null || helm === null) throw new Error("go.mod names no version of Kubernetes or helm");
  const values = {
    gitVersion: version[1]!,
    gitMajor: "1",
    gitMinor: version[2]!,
    gitTreeState: "clean",
    gitCommit: "unknown",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const packages = ["k8s.io/client-go/pkg/version", "k8s.io/component-base/version"];
  const settings = packages.flatMap((at) =>
    Object.entries(values).map(([name, value]) => `-X ${at}.${name}=${value}`),
  );
  return ["-s -w", ...settings, `-X helm.sh/helm/v4/internal/version.version=${helm[1]}`].join(" ");
}
