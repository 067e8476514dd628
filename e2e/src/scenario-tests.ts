/**
 * Vitest's global setup of the scenarios: the cluster that KUBECONFIG names, or three nodes made for this run. The
 * tests find its kubeconfig in PRISM_KUBECONFIG. PRISM_E2E_KEEP=1 leaves the nodes running, and takes those that run.
 */
import { dirname } from "node:path";
import { KubeCluster, removeCluster } from "./cluster/kube-cluster.js";
import { archiveOf, buildImages, buildPauseImage } from "./images/build-images.js";

export default async function setup(): Promise<() => Promise<void>> {
  const given = process.env["KUBECONFIG"];
  if (given !== undefined) {
    process.env["PRISM_KUBECONFIG"] = given;
    return async () => undefined;
  }
  const keep = process.env["PRISM_E2E_KEEP"] === "1";
  const cluster = (keep ? await KubeCluster.attach() : undefined) ?? (await makeCluster(keep));
  process.env["PRISM_KUBECONFIG"] = cluster.kubeconfig;
  return async () => {
    if (!keep) await removeCluster();
  };
}

async function makeCluster(keep: boolean): Promise<KubeCluster> {
  await buildImages(process.env["BASE"]);
  await buildPauseImage();
  return await KubeCluster.up({ images: dirname(archiveOf("pause")), endWithParent: !keep });
}
