import { describe, expect, it } from "vitest";
import { runCommand } from "./run-command.js";
import { kubeBinaries } from "./kube-binary.js";
import { join } from "node:path";

async function kubectl(...args: string[]): Promise<string> {
  const kubeconfig = process.env["PRISM_KUBECONFIG"]!;
  return await runCommand([join(await kubeBinaries(), "kubectl"), "--kubeconfig", kubeconfig, ...args]);
}

describe("the control plane for integration tests", () => {
  it("serves, and runs controllers", async () => {
    await kubectl("create", "namespace", "control-plane-test");
    const accounts = await kubectl("get", "serviceaccounts", "-A", "-o", "name");
    expect(accounts).toContain("serviceaccount/default");
    await kubectl("delete", "namespace", "control-plane-test");
  });
});
