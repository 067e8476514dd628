/** A namespace of its own on the API server that the kube tests run against, with Prism's kinds installed. */
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { HttpApiClient } from "@prism/kube-machinery/http-api-client";
import { KubeConfig } from "@prism/kube-machinery/kube-config";
import type { KubeObject } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import { parse } from "yaml";
import { API_VERSION } from "@prism/api/api-object";
import { PRISM_NODES } from "../kubernetes/prism-resources.js";

const CRDS: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
const NAMESPACES: Resource = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};
const CRD_DIRECTORY = fileURLToPath(new URL("../../../../crds/", import.meta.url));
const SERVED_TIMEOUT_MS = 20_000;

/** As administrator. Close it. */
export function connectToTestServer(): ApiClient {
  const kubeconfig = process.env["PRISM_KUBECONFIG"];
  if (kubeconfig === undefined) throw new Error("PRISM_KUBECONFIG is not set: run by vitest.kube.config.ts");
  return new HttpApiClient(new KubeConfig({ KUBECONFIG: kubeconfig }));
}

/** Installs the kinds as the repository has them, and waits until they are served. */
export async function installKinds(client: ApiClient): Promise<void> {
  for (const file of (await readdir(CRD_DIRECTORY)).filter((name) => name.endsWith(".yaml"))) {
    const object = parse(await readFile(`${CRD_DIRECTORY}${file}`, "utf8")) as KubeObject;
    if (object.kind !== CRDS.kind) continue;
    await client.apply(CRDS, object, { fieldManager: "kube-test", force: true });
  }
  const deadline = performance.now() + SERVED_TIMEOUT_MS;
  for (;;) {
    try {
      await client.list(PRISM_NODES, { limit: 1 });
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(100);
    }
  }
}

/** Returns its name; it goes with the server. */
export async function makeNamespace(client: ApiClient): Promise<string> {
  const name = `test-${randomBytes(4).toString("hex")}`;
  await client.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  return name;
}

/** A PrismCluster as a person writes it. */
export function clusterManifest(namespace: string, name: string, spec: object = {}): KubeObject {
  const manifest = {
    apiVersion: API_VERSION,
    kind: "PrismCluster",
    metadata: { name, namespace },
    spec: { version: "0.1.0", ...spec },
  };
  return manifest;
}
