/** Builds the images by images/Dockerfile with buildah, which needs no daemon, into archives that containerd and docker load. */
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { kubeBinaries } from "../cluster/kube-binary.js";
import { runCommand } from "../cluster/run-command.js";
import { IMAGES_DIRECTORY, REPOSITORY, writeContent } from "./image-content.js";

/** Dockerfile target, and the workspace whose program it runs. */
export const IMAGES = [
  { target: "node", workspace: "dataplane" },
  { target: "operator", workspace: "operator" },
] as const;

export type ImageTarget = (typeof IMAGES)[number]["target"];

const BUILD_TIMEOUT_MS = 5 * 60_000;
const MACHINE_BASE = "localhost/prism-base:1";

/** With `chroot` it needs no right to make namespaces, and with `vfs` no file system of its own. */
const BUILDAH = ["buildah", "--storage-driver", "vfs"];

export async function imageName(target: ImageTarget): Promise<string> {
  const { version } = JSON.parse(await readFile(join(REPOSITORY, "package.json"), "utf8")) as {
    version: string;
  };
  return `localhost/prism-${target}:${version}`;
}

/** Of an image without registry and version in its name: `localhost/prism-node:0.1.0` is prism-node.tar. */
export function archiveOf(name: string): string {
  return join(IMAGES_DIRECTORY, "archives", `${name.split("/").at(-1)!.split(":")[0]}.tar`);
}

/**
 * @param base a glibc image with node on its PATH; undefined: one made of this machine's own node and libraries.
 */
export async function buildImages(base?: string): Promise<string[]> {
  const content = await writeContent(IMAGES.map(({ target, workspace }) => ({ folder: target, workspace })));
  if (base === undefined) await buildMachineBase();
  const names: string[] = [];
  for (const { target } of IMAGES) {
    const name = await imageName(target);
    const file = join(REPOSITORY, "images", "Dockerfile");
    await build(name, file, content, ["--build-arg", `BASE=${base ?? MACHINE_BASE}`, "--target", target]);
    await save(name);
    names.push(name);
  }
  return names;
}

/** The first container of every pod. */
export async function buildPauseImage(): Promise<void> {
  const context = join(IMAGES_DIRECTORY, "pause");
  await rm(context, { recursive: true, force: true });
  await mkdir(context, { recursive: true });
  await cp(join(await kubeBinaries(), "pause"), join(context, "pause"));
  await writeFile(join(context, "Dockerfile"), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n');
  await build("localhost/pause:1", join(context, "Dockerfile"), context);
  await save("localhost/pause:1");
}

/** Where no registry can be reached: this machine's node with the libraries that it and native modules need, and busybox. */
async function buildMachineBase(): Promise<void> {
  const context = join(IMAGES_DIRECTORY, "base");
  const root = join(context, "root");
  await rm(context, { recursive: true, force: true });
  for (const folder of ["usr/bin", "bin", "etc", "tmp", "data"])
    await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  const node = await realpath(process.execPath);
  await cp(node, join(root, "usr/bin/node"));
  for (const library of await librariesOf(node)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await cp(await realpath(library), join(root, library));
  }
  await cp("/usr/bin/busybox", join(root, "bin/busybox"));
  for (const name of ["sh", "ls", "cat", "wget", "nslookup", "kill", "sleep", "ps", "id", "touch"])
    await symlink("busybox", join(root, "bin", name));
  await writeFile(join(root, "etc/passwd"), "root:x:0:0::/:/bin/sh\nprism:x:10001:10001::/:/bin/sh\n");
  await writeFile(join(root, "etc/nsswitch.conf"), "hosts: files dns\n");
  await writeFile(join(context, "Dockerfile"), "FROM scratch\nCOPY root/ /\nENV PATH=/usr/bin:/bin\n");
  await build(MACHINE_BASE, join(context, "Dockerfile"), context);
}

/** Those that the program names, and those that libc loads by itself to resolve host names. */
async function librariesOf(program: string): Promise<string[]> {
  const listed = await runCommand(["ldd", program]);
  const libraries = [...listed.matchAll(/(\/\S+)/g)].map(([path]) => path);
  const folder = dirname(libraries.find((path) => /\/libc\.so/.test(path))!);
  const loaded = [
    "libnss_files.so.2",
    "libnss_dns.so.2",
    "libresolv.so.2",
    "libgcc_s.so.1",
    "libstdc++.so.6",
  ];
  const beside = [...loaded, "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"].map((name) =>
    join(folder, name),
  );
  return [...new Set([...libraries, ...beside.filter((path) => existsSync(path))])];
}

async function build(
  name: string,
  file: string,
  context: string,
  more: readonly string[] = [],
): Promise<void> {
  const how = ["--isolation", "chroot", "--layers=false", "--format", "docker", "--quiet"];
  await runCommand([...BUILDAH, "build", ...how, "--tag", name, "--file", file, ...more, context], {
    timeoutMs: BUILD_TIMEOUT_MS,
  });
}

async function save(name: string): Promise<void> {
  const archive = archiveOf(name);
  await mkdir(dirname(archive), { recursive: true });
  await rm(archive, { force: true });
  await runCommand([...BUILDAH, "push", "--quiet", name, `docker-archive:${archive}:${name}`], {
    timeoutMs: BUILD_TIMEOUT_MS,
  });
}

/** Runs a command in a container of the image, as its user, with what it needs of this machine to do so. */
export async function runInImage(name: string, command: readonly string[]): Promise<string> {
  const container = (await runCommand([...BUILDAH, "from", "--pull-never", name])).trim();
  try {
    return await runCommand([...BUILDAH, "run", "--isolation", "chroot", container, "--", ...command]);
  } finally {
    await runCommand([...BUILDAH, "rm", container]);
  }
}
