/** What a scenario begins with: the operator, a namespace and a PrismCluster in it; and what a failed one leaves behind. */
import { PrismClient, type PrismClientOptions } from "@prism/client";
import { waitUntil } from "@prism/test/wait-until";
import { KubeCluster } from "../cluster/kube-cluster.js";
import { Kubectl } from "../install/kubectl.js";
import { collectEvidence } from "./evidence.js";
import { installOperator } from "./operator-release.js";
import { PortForward } from "./port-forward.js";

export interface ScenarioOptions {
  /** Also the namespace. */
  readonly name: string;
  /** Of the PrismCluster `demo`, beyond a small one of three nodes. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export const CLUSTER = "demo";
const HTTP_PORT = 3080;
const READY_TIMEOUT_MS = 180_000;
const REMOVE_TIMEOUT_MS = 130_000;
/** What is bearable for a laptop that runs three nodes of Kubernetes and three of Prism. */
const SMALL = {
  version: "0.1.0",
  nodes: 3,
  storage: { size: "1Gi" },
  resources: { requests: { cpu: "100m", memory: "512Mi" }, limits: { memory: "768Mi" } },
};

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly { readonly containerID: string; readonly restartCount: number }[];
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

export class Scenario {
  readonly name: string;
  readonly kubectl: Kubectl;
  readonly #clients: PrismClient[] = [];
  readonly #ways: PortForward[] = [];
  readonly #endings: (() => Promise<void>)[] = [];
  readonly #machine: KubeCluster | undefined;

  private constructor(name: string, machine: KubeCluster | undefined) {
    this.name = name;
    this.kubectl = new Kubectl(name);
    this.#machine = machine;
  }

  /** The operator is installed where it is not; the namespace is made anew. */
  static async begin(name: string): Promise<Scenario> {
    const own = process.env["KUBECONFIG"] === undefined;
    const scenario = new Scenario(name, own ? await KubeCluster.attach() : undefined);
    await installOperator();
    const remove = ["delete", "namespace", name, "--ignore-not-found", "--timeout=120s"];
    await scenario.kubectl.run(remove, undefined, REMOVE_TIMEOUT_MS);
    await scenario.kubectl.run(["create", "namespace", name]);
    return scenario;
  }

  /** With a cluster that is Ready. */
  static async start({ name, spec = {} }: ScenarioOptions): Promise<Scenario> {
    const scenario = await Scenario.begin(name);
    try {
      await scenario.apply(CLUSTER, spec);
      await scenario.ready();
      return scenario;
    } catch (error) {
      await scenario.end(true);
      throw error;
    }
  }

  /** The machines, where they are the tests' own. @throws {Error} on somebody else's cluster */
  get machine(): KubeCluster {
    if (this.#machine === undefined)
      throw new Error("this scenario breaks machines: run it without KUBECONFIG");
    return this.#machine;
  }

  async apply(cluster: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const metadata = { name: cluster, namespace: this.name };
    const object = {
      apiVersion: "prism.dev/v1alpha1",
      kind: "PrismCluster",
      metadata,
      spec: { ...SMALL, ...spec },
    };
    await this.kubectl.apply(JSON.stringify(object));
  }

  /** By the condition that users wait for, with what they would use. */
  async ready(cluster = CLUSTER, timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    await this.kubectl.run(
      [
        "wait",
        "--for=condition=Ready",
        `prismcluster/${cluster}`,
        `--timeout=${Math.ceil(timeoutMs / 1_000)}s`,
      ],
      undefined,
      timeoutMs + 10_000,
    );
  }

  async condition(type: string, cluster = CLUSTER): Promise<Condition | undefined> {
    const object = (await this.kubectl.json("get", "prismcluster", cluster)) as {
      readonly status?: { readonly conditions?: readonly Condition[] };
    };
    return object.status?.conditions?.find((condition) => condition.type === type);
  }

  async pods(cluster = CLUSTER): Promise<readonly Pod[]> {
    const list = (await this.kubectl.json("get", "pods", "-l", `prism.dev/cluster=${cluster}`)) as {
      readonly items: readonly Pod[];
    };
    return list.items;
  }

  async pod(name: string): Promise<Pod> {
    return (await this.kubectl.json("get", "pod", name)) as Pod;
  }

  /** The pod that runs on a node of Kubernetes. */
  async podOn(node: string, cluster = CLUSTER): Promise<Pod> {
    const pod = (await this.pods(cluster)).find((one) => one.spec.nodeName === node);
    if (pod === undefined) throw new Error(`no pod of ${cluster} is on ${node}`);
    return pod;
  }

  async podReady(name: string, timeoutMs: number, isIt: (pod: Pod) => boolean = () => true): Promise<Pod> {
    return await waitUntil(`pod ${name} is ready`, timeoutMs, async () => {
      const pod = await this.pod(name);
      const ready = pod.status.conditions?.find(({ type }) => type === "Ready")?.status === "True";
      return ready && pod.metadata.deletionTimestamp === undefined && isIt(pod) ? pod : undefined;
    });
  }

  /** Of the client Service. */
  async endpoint(cluster = CLUSTER): Promise<string> {
    if (this.#machine === undefined) {
      const way = await PortForward.open(this.name, cluster, HTTP_PORT);
      this.#ways.push(way);
      return way.url;
    }
    const service = (await this.kubectl.json("get", "service", cluster)) as {
      readonly spec: { readonly clusterIP: string };
    };
    return `http://${service.spec.clusterIP}:${HTTP_PORT}`;
  }

  /** The SDK at its documented defaults, unless told otherwise, through the Service. */
  async client(options: Partial<PrismClientOptions> = {}, cluster = CLUSTER): Promise<PrismClient> {
    // Through a forwarded port the addresses of nodes, to which the SDK would go itself, lead nowhere.
    const reach = this.#machine === undefined ? { routing: false } : {};
    const client = new PrismClient({ endpoints: await this.endpoint(cluster), ...reach, ...options });
    this.#clients.push(client);
    return client;
  }

  /** What uses the clients, and ends before they do. */
  onEnd(ending: () => Promise<void>): void {
    this.#endings.push(ending);
  }

  /** Keeps what explains a failure, and removes the namespace. */
  async end(failed: boolean): Promise<void> {
    if (failed) await collectEvidence(this.name, this.kubectl);
    if (this.#machine !== undefined) await this.#healMachine(this.#machine);
    await Promise.all(this.#endings.map((ending) => ending()));
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const way of this.#ways) way.close();
    await this.kubectl.run(["delete", "namespace", this.name, "--ignore-not-found", "--wait=false"]);
  }

  async #healMachine(machine: KubeCluster): Promise<void> {
    await machine.heal();
    for (const node of machine.nodes) node.thaw();
  }
}
