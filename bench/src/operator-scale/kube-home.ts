/** A store over an API server that is started for it, or over the one that KUBECONFIG names. */
import { randomBytes } from "node:crypto";
import { startControlPlane } from "@prism/e2e/cluster/control-plane";
import { HttpApiClient } from "@prism/kube-machinery/http-api-client";
import { KubeConfig } from "@prism/kube-machinery/kube-config";
import { KubeStore } from "@prism/operator/adapters/kubernetes/kube-store";
import { RecordWatches } from "@prism/operator/adapters/kubernetes/record-watches";
import { installKinds } from "@prism/operator/adapters/testing/kube-home";
import type { Store } from "@prism/operator/ports/store";
import { CLUSTER } from "./scale-store.js";

const NAMESPACES = { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };

export async function openKubeStore(
  progress: (line: string) => void,
): Promise<{ readonly store: Store; readonly close: () => Promise<void> }> {
  const given = process.env["KUBECONFIG"];
  const plane = given === undefined ? await startControlPlane() : undefined;
  const client = new HttpApiClient(new KubeConfig({ KUBECONFIG: plane?.kubeconfig ?? given ?? "" }));
  await installKinds(client);
  const namespace = `scale-${randomBytes(4).toString("hex")}`;
  const { metadata } = await client.create(NAMESPACES, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace },
  });
  progress("an API server is ready");
  const watches = new RecordWatches({ client, namespaces: [namespace], onError: () => undefined });
  await watches.start();
  const caches = watches.cachesOf(namespace);
  const store = new KubeStore({ client, caches, namespace, cluster: CLUSTER });
  const close = async (): Promise<void> => {
    await store.close();
    await watches.stop();
    const preconditions = { uid: metadata.uid };
    if (plane === undefined) await client.delete(NAMESPACES, { name: namespace }, { preconditions });
    await client.close();
    await plane?.stop();
  };
  return { store, close };
}
