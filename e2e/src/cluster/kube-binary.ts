import { accessSync } from "node:fs";
import { join } from "node:path";

/** The folder with all of Kubernetes' programs by name, which PRISM_KUBE_BIN names. */
export async function kubeBinaries(): Promise<string> {
  const folder = process.env["PRISM_KUBE_BIN"];
  if (folder === undefined) throw new Error("PRISM_KUBE_BIN must name the folder of Kubernetes' programs");
  accessSync(join(folder, "kube-apiserver"));
  return await Promise.resolve(folder);
}
