/** What explains a failed scenario: objects, events and logs, one folder for each, in .prism/e2e/. */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CLUSTER_DIRECTORY } from "../cluster/kube-cluster.js";
import { REPOSITORY } from "../images/image-content.js";
import { Kubectl } from "../install/kubectl.js";
import { OPERATOR_NAMESPACE } from "./operator-release.js";

export const EVIDENCE = join(REPOSITORY, ".prism", "e2e");
const KINDS =
  "prismclusters,prismcollections,prismshards,prismnodes,statefulsets,pods,pvc,pdb,services,configmaps";

/** A part that can't be had says why in its file: evidence never hides the failure that it is of. */
export async function collectEvidence(scenario: string, kubectl: Kubectl): Promise<string> {
  const folder = join(EVIDENCE, scenario);
  await mkdir(folder, { recursive: true });
  const keep = async (file: string, text: Promise<string>) => {
    await writeFile(join(folder, file), await text.catch((error: unknown) => String(error)));
  };
  const operator = new Kubectl(OPERATOR_NAMESPACE);
  const logs = ["--all-containers", "--prefix", "--tail=-1", "--ignore-errors"];
  await Promise.all([
    keep("objects.yaml", kubectl.run(["get", KINDS, "-o", "yaml"])),
    keep("events.txt", kubectl.run(["get", "events", "--sort-by=.lastTimestamp", "-o", "wide"])),
    keep("pods.txt", kubectl.run(["describe", "pods"])),
    keep("nodes.txt", kubectl.run(["describe", "nodes"])),
    keep("node-logs.txt", kubectl.run(["logs", "-l", "app.kubernetes.io/component=node", ...logs])),
    keep("operator-logs.txt", operator.run(["logs", "-l", "app.kubernetes.io/name=prism-operator", ...logs])),
    keep("operator-pods.txt", operator.run(["describe", "pods"])),
    keep("operator-events.txt", operator.run(["get", "events", "--sort-by=.lastTimestamp", "-o", "wide"])),
  ]);
  await cp(join(CLUSTER_DIRECTORY, "log"), join(folder, "cluster-log"), { recursive: true }).catch(
    () => undefined,
  );
  console.log(`evidence of ${scenario} is in ${folder}`);
  return folder;
}
