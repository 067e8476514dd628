/** A store over an API server that is started for it, or over the one that KUBECONFIG names. */
import { randomBytes } from "node:crypto";
import { startControlPlane } from "@prism/e2e/cluster/control-plane";
import { HttpApiClient } from "@prism/kube-machinery/http-api-client";
import { KubeConfig } from "@prism/kube-machinery/kube-config";
import { ObjectCache } from "@prism/kube-machinery/object-cache";
import { Reflector } from "@prism/kube-machinery/reflector";
import { KubeStore } from "@prism/operator/adapters/kubernetes/kube-store";
import {
  PRISM_COLLECTIONS,
  PRISM_NODES,
  PRISM_SHARDS,
  type RawObject,
} from "@prism/operator/adapters/kubernetes/prism-resources";
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
  const caches = {
    PrismCollection: new ObjectCache<RawObject>(),
    PrismShard: new ObjectCache<RawObject>(),
    PrismNode: new ObjectCache<RawObject>(),
  };
  const reflectors = [
    new Reflector<RawObject>({
      client,
      resource: PRISM_COLLECTIONS,
      namespace,
      sink: caches.PrismCollection,
    }),
    new Reflector<RawObject>({ client, resource: PRISM_SHARDS, namespace, sink: caches.PrismShard }),
    new Reflector<RawObject>({ client, resource: PRISM_NODES, namespace, sink: caches.PrismNode }),
  ];
  for (const reflector of reflectors) reflector.start();
  await Promise.all(reflectors.map((reflector) => reflector.synced()));
  const store = new KubeStore({ client, caches, namespace, cluster: CLUSTER });
  const close = async (): Promise<void> => {
    await store.close();
    await Promise.all(reflectors.map((reflector) => reflector.stop()));
    const preconditions = { uid: metadata.uid };
    if (plane === undefined) await client.delete(NAMESPACES, { name: namespace }, { preconditions });
    await client.close();
    await plane?.stop();
  };
  return { store, close };
}
