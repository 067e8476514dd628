/** The operator as users install it: with the chart. */
import { join } from "node:path";
import { REPOSITORY } from "../images/image-content.js";
import { CommandError } from "../cluster/run-command.js";
import { helm, Kubectl } from "../install/kubectl.js";

export const OPERATOR_NAMESPACE = "prism-system";
export const RELEASE = "prism";
const CHART = join(REPOSITORY, "charts", "prism");

/** What a cluster of somebody else needs beside the chart's own values, such as where its images are. */
const VALUES = (process.env["PRISM_E2E_HELM"] ?? "").split(" ").filter((word) => word !== "");

/** Where it is not installed yet; returns when both replicas are ready. */
export async function installOperator(): Promise<void> {
  if (await isInstalled()) return;
  const where = ["--namespace", OPERATOR_NAMESPACE, "--create-namespace"];
  await helm("install", RELEASE, CHART, ...where, "--wait", "--timeout", "180s", ...VALUES);
}

export async function uninstallOperator(): Promise<void> {
  await helm("uninstall", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout", "120s");
}

async function isInstalled(): Promise<boolean> {
  try {
    await helm("status", RELEASE, "--namespace", OPERATOR_NAMESPACE);
    return true;
  } catch (error) {
    if (error instanceof CommandError && error.output.includes("not found")) return false;
    throw error;
  }
}

/** Who has the lease now: another each time that a process starts. */
export async function leaseHolder(): Promise<string> {
  const lease = (await new Kubectl(OPERATOR_NAMESPACE).json("get", "lease", "prism-operator")) as {
    readonly spec: { readonly holderIdentity: string };
  };
  return lease.spec.holderIdentity;
}

/** The pod that leads now, by the lease. */
export async function leaderPod(): Promise<string> {
  return (await leaseHolder()).split("_")[0]!;
}
