/** What goes into the images: for each program its compiled code, that of the workspaces it needs, and production modules. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../cluster/run-command.js";

export const REPOSITORY = join(import.meta.dirname, "../../..");
export const IMAGES_DIRECTORY = join(REPOSITORY, ".prism", "images");

export interface Program {
  readonly folder: string;
  readonly workspace: string;
}

interface Manifest {
  readonly workspaces?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
}

const INSTALL_TIMEOUT_MS = 5 * 60_000;
/** Sources, documents, type declarations and other systems' binaries: nothing that runs. */
const UNUSED_FILE = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|h|hpp|c|cc|cpp|gyp|gypi|yml|tsbuildinfo)$/i;
const UNUSED_FOLDER = /^(test|tests|docs|deps|benchmark|benchmarks|examples|\.github|\.bin)$/;

/** Writes `<images>/content/<folder>/` for each program. Compiled code must be there: build first. */
export async function writeContent(programs: readonly Program[]): Promise<string> {
  const content = join(IMAGES_DIRECTORY, "content");
  const unfinished = `${content}.${process.pid}`;
  for (const { folder, workspace: main } of programs) {
    const place = join(unfinished, folder);
    const workspaces = await workspacesOf(main);
    await cp(await productionModules(main, workspaces), place, { recursive: true, verbatimSymlinks: true });
    for (const workspace of workspaces) {
      const from = join(REPOSITORY, workspace);
      await cp(join(from, "package.json"), join(place, workspace, "package.json"));
      await cp(join(from, "dist"), join(place, workspace, "dist"), {
        recursive: true,
        filter: isProductionCode,
      });
    }
  }
  await rm(content, { recursive: true, force: true });
  await rename(unfinished, content);
  return content;
}

function isProductionCode(path: string): boolean {
  return !/\.(d\.ts|map)$|\.test\.js$|\/testing(\/|$)/.test(path);
}

/** The program's workspace and those that it needs, directly or not. */
async function workspacesOf(program: string): Promise<string[]> {
  const found = [program];
  for (const workspace of found) {
    const { dependencies = {} } = await readManifest(workspace);
    for (const name of Object.keys(dependencies)) {
      const other = /^@prism\/(.+)$/.exec(name)?.[1];
      if (other !== undefined && !found.includes(other)) found.push(other);
    }
  }
  return found;
}

/** Installed by npm as the lock file says, once for each lock file and set of workspaces. */
async function productionModules(program: string, workspaces: readonly string[]): Promise<string> {
  const lock = await readFile(join(REPOSITORY, "package-lock.json"));
  const hash = createHash("sha256").update(lock).update(workspaces.join(" "));
  for (const workspace of workspaces)
    hash.update(await readFile(join(REPOSITORY, workspace, "package.json")));
  const kept = join(IMAGES_DIRECTORY, "modules", `${program}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(kept)) return kept;
  const unfinished = `${kept}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  // npm checks the lock file against the manifests of all workspaces.
  const { workspaces: all = [] } = await readManifest(".");
  for (const file of ["package.json", "package-lock.json", ...all.map((name) => `${name}/package.json`)])
    await cp(join(REPOSITORY, file), join(unfinished, file));
  const only = workspaces.flatMap((workspace) => ["--workspace", workspace]);
  await runCommand(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error", ...only], {
    cwd: unfinished,
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  for (const name of await readdir(unfinished))
    if (name !== "node_modules" && !workspaces.includes(name))
      await rm(join(unfinished, name), { recursive: true });
  await prune(join(unfinished, "node_modules"));
  await rename(unfinished, kept);
  return kept;
}

async function readManifest(workspace: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(REPOSITORY, workspace, "package.json"), "utf8")) as Manifest;
}

async function prune(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const unused = entry.isDirectory() ? isUnusedFolder(directory, entry.name) : UNUSED_FILE.test(entry.name);
    if (unused) await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory()) await prune(path);
  }
}

function isUnusedFolder(parent: string, name: string): boolean {
  if (parent.endsWith("/prebuilds")) return name !== `${process.platform}-${process.arch}`;
  return UNUSED_FOLDER.test(name);
}
