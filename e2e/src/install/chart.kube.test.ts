import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CommandError } from "../cluster/run-command.js";
import { helm, Kubectl, serviceAccount } from "./kubectl.js";
import { removeDefinitions } from "./release.js";
import { readSamples } from "./samples.js";

const CHART = "charts/prism";
const NAMESPACE = "chart-system";
const kubectl = new Kubectl(NAMESPACE);
const operator = kubectl.as(serviceAccount(NAMESPACE, "prism-operator"));

async function refusal(...args: string[]): Promise<string> {
  try {
    await helm(...args);
  } catch (error) {
    if (error instanceof CommandError) return error.output;
    throw error;
  }
  throw new Error(`helm did not refuse: ${args.join(" ")}`);
}

function template(...args: string[]): Promise<string> {
  return helm("template", "prism", CHART, "--namespace", NAMESPACE, ...args);
}

describe("the chart, without a server", () => {
  it("is without fault to helm lint", async () => {
    expect(await helm("lint", CHART, "--strict")).toContain("0 chart(s) failed");
  });

  it.each([
    ["replicas=0", "minimum"],
    ["antiAffinity=Sometimes", "antiAffinity"],
    ["replicaCount=2", "replicaCount"],
    ["logLevel=loud", "logLevel"],
  ])("refuses --set %s and names it", async (setting, word) => {
    expect(await refusal("template", "prism", CHART, "--set", setting)).toContain(word);
  });

  it("keeps operators of one release in different zones, or only prefers to", async () => {
    const required = "requiredDuringSchedulingIgnoredDuringExecution";
    expect(await template("--show-only", "templates/operator.yaml")).toContain(required);
    const preferred = await template(
      "--show-only",
      "templates/operator.yaml",
      "--set",
      "antiAffinity=Preferred",
    );
    expect(preferred).not.toContain(required);
    expect(preferred).toContain("preferredDuringSchedulingIgnoredDuringExecution");
  });

  it("gives rights in the watched namespaces alone when it is told which", async () => {
    const everywhere = await template("--show-only", "templates/rbac.yaml");
    expect(everywhere.match(/^kind: ClusterRoleBinding$/gm)).toHaveLength(2);
    const some = await template("--show-only", "templates/rbac.yaml", "--set", "watchNamespaces={one,two}");
    // The one that is left is for machines, which are in no namespace.
    expect(some.match(/^kind: ClusterRoleBinding$/gm)).toHaveLength(1);
    expect(some).toContain("namespace: one");
    expect(some).toContain("namespace: two");
  });

  it("can be without policy and definitions", async () => {
    const bare = await template("--set", "policy.install=false", "--set", "crds.install=false");
    expect(bare).not.toContain("ValidatingAdmissionPolicy");
    expect(bare).not.toContain("CustomResourceDefinition");
  });
});

describe("the chart on a server", () => {
  const older = mkdtempSync(join(tmpdir(), "prism-chart-"));
  const cluster = readSamples("good").find((sample) => sample.name === "cluster.yaml")!.documents[0]!;

  beforeAll(async () => {
    await removeDefinitions();
    await kubectl.run(["create", "namespace", NAMESPACE]);
    cpSync(CHART, older, { recursive: true });
    forgetField(join(older, "files/crds/prismclusters.yaml"));
  });

  afterAll(async () => {
    rmSync(older, { recursive: true, force: true });
    await helm("uninstall", "prism", "--namespace", NAMESPACE, "--ignore-not-found");
    await kubectl.run(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
    await removeDefinitions();
  });

  it("installs, upgrades the definitions of an older release, and leaves them and what they hold when it is uninstalled", async () => {
    await helm("install", "prism", older, "--namespace", NAMESPACE);
    await kubectl.run([
      "wait",
      "--for=condition=Established",
      "crd/prismclusters.prism.dev",
      "--timeout=30s",
    ]);
    expect(await kubectl.refusal(["apply", "-f", "-"], `${cluster}  paused: true\n`)).toContain(
      'unknown field "spec.paused"',
    );

    await helm("upgrade", "prism", CHART, "--namespace", NAMESPACE);
    await servesField();
    await kubectl.apply(`${cluster}  paused: true\n`);

    await helm("uninstall", "prism", "--namespace", NAMESPACE);
    expect(await kubectl.json("get", "prismcluster", "demo")).toMatchObject({ spec: { paused: true } });
    expect(await kubectl.run(["get", "validatingadmissionpolicies", "-o", "name"])).not.toContain("prism");

    await helm("install", "prism", CHART, "--namespace", NAMESPACE);
    expect(await kubectl.json("get", "prismcluster", "demo")).toMatchObject({ spec: { paused: true } });
  });

  it("makes pods that a namespace with restricted pod security takes", async () => {
    const restricted = "pod-security.kubernetes.io/enforce=restricted";
    await kubectl.run(["label", "namespace", NAMESPACE, restricted, "--overwrite"]);
    const deployment = await template("--show-only", "templates/operator.yaml");
    const said = await kubectl.run(["delete", "deployment", "prism-operator"]);
    expect(said).toContain("deleted");
    await kubectl.apply(deployment);
    await kubectl.run([
      "wait",
      "--for=create",
      "pod",
      "-l",
      "app.kubernetes.io/name=prism-operator",
      "--timeout=60s",
    ]);
    const test = await template("--show-only", "templates/tests/operator-answers.yaml");
    await kubectl.run(["create", "--dry-run=server", "-f", "-"], test);
  });

  it.each([
    ["list secrets"],
    ["delete secrets"],
    ["create pods"],
    ["create pods --subresource=exec"],
    ["delete namespaces"],
    ["delete persistentvolumeclaims"],
    ["update prismclusters.prism.dev"],
    ["delete prismclusters.prism.dev"],
    ["update leases.coordination.k8s.io"],
    ["create clusterroles.rbac.authorization.k8s.io"],
  ])("does not let the operator %s", async (act) => {
    expect(await operator.refusal(["auth", "can-i", ...act.split(" ")])).toContain("no");
  });

  it("lets people do with its objects in a namespace what their roles let them do with others", async () => {
    for (const role of ["view", "edit"])
      await kubectl.run(["create", "rolebinding", `${role}er`, `--clusterrole=${role}`, `--user=${role}er`]);
    const may = async (user: string, act: string): Promise<boolean> => {
      const said = kubectl.as({ user }).run(["auth", "can-i", ...act.split(" ")]);
      return said.then(
        (text) => text.startsWith("yes"),
        () => false,
      );
    };
    const deadline = performance.now() + 30_000;
    // Roles are put together a moment after the release is there.
    while (!(await may("editer", "create prismclusters")) && performance.now() < deadline);
    for (const [user, act, expected] of [
      ["viewer", "list prismshards", true],
      ["viewer", "create prismclusters", false],
      ["editer", "list prismnodes", true],
      ["editer", "delete prismcollections", true],
      ["editer", "patch prismclusters --subresource=scale", true],
      ["editer", "update prismshards", false],
      ["editer", "patch prismclusters --subresource=status", false],
    ] as const) {
      expect([user, act, await may(user, act)]).toEqual([user, act, expected]);
    }
  });

  it.each([
    ["watch prismclusters.prism.dev"],
    ["patch prismclusters.prism.dev --subresource=status"],
    ["update prismshards.prism.dev"],
    ["patch statefulsets.apps"],
    ["patch poddisruptionbudgets.policy"],
    ["list nodes"],
    ["create leases.coordination.k8s.io"],
    ["update leases.coordination.k8s.io/prism-operator"],
    ["watch leases.coordination.k8s.io/prism-operator"],
    ["patch events.events.k8s.io"],
  ])("lets the operator %s", async (act) => {
    expect(await operator.run(["auth", "can-i", ...act.split(" ")])).toContain("yes");
  });
});

/** Makes the definition one of a release that had no spec.paused. */
function forgetField(path: string): void {
  const text = readFileSync(path, "utf8");
  const without = text.replace(/\n {16}paused:\n(?: {18}.*\n)+/, "\n");
  if (without === text) throw new Error("the definition has no field to forget");
  writeFileSync(path, without);
}

/** The server serves a changed definition a moment after it has taken it. */
async function servesField(): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await kubectl.run(["explain", "prismcluster.spec"])).includes("paused")) {
    if (performance.now() > deadline) throw new Error("the server does not serve the upgraded definition");
  }
}
