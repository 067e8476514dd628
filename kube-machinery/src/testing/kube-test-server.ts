/** The API server that kube tests run against, and a namespace of a test's own on it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delay } from "../deadline.js";
import { HttpApiClient } from "../http-api-client.js";
import { KubeConfig, type Connection } from "../kube-config.js";
import type { KubeObject } from "../kube-object.js";
import type { Resource } from "../resource.js";
import { FaultProxy } from "./fault-proxy.js";

export const CONFIG_MAPS: Resource = {
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  namespaced: true,
};

export const NAMESPACES: Resource = {
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
};

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function configMap(
  namespace: string,
  name: string,
  data: Readonly<Record<string, string>> = {},
): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name }, data };
}

/** Given by the global setup of vitest.kube.config.ts. */
export function testKubeConfig(): KubeConfig {
  const path = process.env["KUBE_TEST_CONFIG"];
  if (path === undefined) throw new Error("KUBE_TEST_CONFIG is not set: run by vitest.kube.config.ts");
  return new KubeConfig({ KUBECONFIG: path });
}

/** Ends or starts a component of the control plane; undefined when it belongs to somebody else. */
export function testServerControl():
  ((act: "kill" | "start", component: string) => Promise<void>) | undefined {
  const url = process.env["KUBE_TEST_CONTROL"];
  if (url === undefined) return undefined;
  return async (act, component) => {
    const response = await fetch(`${url}/${act}/${component}`, { method: "POST" });
    if (!response.ok) throw new Error(`${act} ${component}: ${await response.text()}`);
  };
}

/** A test's namespace, the way there without faults, and any number of ways with them. */
export class KubeTestServer {
  readonly namespace: string;
  readonly direct: HttpApiClient;
  readonly #upstream: Connection;
  readonly #directory: string;
  readonly #endings: (() => Promise<unknown>)[] = [];

  private constructor(namespace: string, direct: HttpApiClient, upstream: Connection, directory: string) {
    this.namespace = namespace;
    this.direct = direct;
    this.#upstream = upstream;
    this.#directory = directory;
  }

  static async open(): Promise<KubeTestServer> {
    const config = testKubeConfig();
    const direct = new HttpApiClient(config);
    const name = `machinery-${randomBytes(4).toString("hex")}`;
    await direct.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    const directory = await mkdtemp(join(tmpdir(), "kube-machinery-"));
    return new KubeTestServer(name, direct, await config.connection(), directory);
  }

  /** What is closed at the end, last first. */
  onClose(ending: () => Promise<unknown>): void {
    this.#endings.unshift(ending);
  }

  async close(): Promise<void> {
    for (const ending of this.#endings) await ending();
    const namespace = await this.direct.get(NAMESPACES, { name: this.namespace });
    if (namespace)
      await this.direct.delete(NAMESPACES, namespace.metadata, {
        preconditions: { uid: namespace.metadata.uid },
      });
    await this.direct.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.#upstream);
    this.onClose(() => proxy.stop());
    return proxy;
  }

  client(config: KubeConfig): HttpApiClient {
    const client = new HttpApiClient(config);
    this.onClose(() => client.close());
    return client;
  }

  /** A kubeconfig file for the way through the proxy; `user` as in a kubeconfig. */
  async kubeconfig(proxy: FaultProxy, user: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const path = join(this.#directory, `kubeconfig-${randomBytes(4).toString("hex")}`);
    const document = {
      clusters: [{ name: "c", cluster: { server: proxy.url } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: this.namespace } }],
      "current-context": "x",
    };
    await writeFile(path, JSON.stringify(document));
    return path;
  }

  /** A path in the test's own directory. */
  file(name: string): string {
    return join(this.#directory, name);
  }

  async connect(proxy: FaultProxy): Promise<HttpApiClient> {
    return this.client(new KubeConfig({ KUBECONFIG: await this.kubeconfig(proxy) }));
  }
}

/** Looks again until it holds. Throws what was waited for. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 15_000,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(10);
  }
}
