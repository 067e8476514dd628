/** A Kubernetes of three nodes in three zones on one machine, and the faults that tests make in it. Needs root. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  ControlPlane,
  FIXED_PORTS,
  removeLeftovers,
  startControlPlane,
  type Component,
} from "./control-plane.js";
import { clearGroups, removeParentGroups, setFrozen } from "./control-groups.js";
import { Daemons } from "./daemons.js";
import { kubeBinaries } from "./kube-binary.js";
import { KubeNode, proxySettings, type KubeNodeOptions } from "./kube-node.js";
import { HUB_ADDRESS, IN_HUB, makeHub, removeNetworks, setFaults, type NetworkFault } from "./network.js";
import { runCommand } from "./run-command.js";

/** One for the machine: the names of namespaces, groups and addresses are fixed, so only one cluster can be. */
export const CLUSTER_DIRECTORY = join(tmpdir(), "prism-kube-cluster");
const DNS_ADDRESS = "10.96.0.10";
const PROVISIONER = "prism.dev/directory";
const NODES_TIMEOUT_MS = 120_000;

export interface KubeClusterOptions {
  /** Folder of image archives: name.tar holds localhost/name. */
  readonly images: string;
  /** The nodes and everything end with this process. Default false. */
  readonly endWithParent?: boolean;
}

export class KubeCluster {
  readonly nodes: readonly KubeNode[];
  readonly #plane: ControlPlane;
  readonly #daemons: Daemons;
  readonly #faults: NetworkFault[] = [];

  private constructor(plane: ControlPlane, nodes: readonly KubeNode[]) {
    this.#plane = plane;
    this.nodes = nodes;
    this.#daemons = plane.daemons;
  }

  /** @throws {Error} when a cluster runs on this machine already. */
  static async up({ images, endWithParent = false }: KubeClusterOptions): Promise<KubeCluster> {
    if (process.getuid?.() !== 0)
      throw new Error("nodes are made of namespaces and control groups: run as root");
    const directory = CLUSTER_DIRECTORY;
    const old = existsSync(directory) ? new Daemons({ directory }) : undefined;
    if (old?.names().some((name) => old.isRunning(name)) === true)
      throw new Error("a test cluster runs on this machine already: end it with `make kube-down`");
    const bin = await kubeBinaries();
    await removeCluster();
    await mkdir(join(directory, "volumes"), { recursive: true });
    const daemons = new Daemons({ directory, endWithParent });
    await makeHub();
    const nodes = describeNodes({ directory, daemons, bin, images });
    await writeFile(join(directory, "images"), images);
    const others = ["coredns", "provisioner"].map((name) => ({
      name,
      commonName: name,
      organization: "system:masters",
    }));
    const [plane] = await Promise.all([
      startControlPlane({
        directory,
        endWithParent,
        address: HUB_ADDRESS,
        prefix: IN_HUB,
        identities: [
          ...others,
          { name: "proxy", commonName: "system:kube-proxy", organization: "system:node-proxier" },
          ...nodes.map(({ name }) => ({
            name,
            commonName: `system:node:${name}`,
            organization: "system:nodes",
          })),
        ],
        apiServerArguments: [
          "--enable-aggregator-routing=true",
          "--default-not-ready-toleration-seconds=5",
          "--default-unreachable-toleration-seconds=5",
        ],
        controllerManagerArguments: [
          "--allocate-node-cidrs=false",
          "--node-monitor-grace-period=10s",
          "--node-monitor-period=1s",
        ],
      }),
      ...nodes.map((node) => node.make()),
    ]);
    const cluster = new KubeCluster(plane, nodes);
    await cluster.#startServices(bin);
    await cluster.#nodesReady();
    return cluster;
  }

  /** The cluster that runs on this machine, whoever started it. Faults of others are not known to it. */
  static async attach(): Promise<KubeCluster | undefined> {
    const directory = CLUSTER_DIRECTORY;
    const images = await readFile(join(directory, "images"), "utf8").catch(() => undefined);
    if (images === undefined) return undefined;
    const plane = new ControlPlane({ directory, server: `https://${HUB_ADDRESS}:${FIXED_PORTS.api}` });
    const bin = await kubeBinaries();
    return new KubeCluster(plane, describeNodes({ directory, daemons: plane.daemons, bin, images }));
  }

  get kubeconfig(): string {
    return this.#plane.kubeconfig;
  }

  node(name: string): KubeNode {
    const node = this.nodes.find((one) => one.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  async cut(node: string): Promise<void> {
    await this.#add({ kind: "cut", node: this.node(node).network });
  }

  async split(a: string, b: string): Promise<void> {
    await this.#add({ kind: "split", between: [this.node(a).network, this.node(b).network] });
  }

  async lossy(node: string, percent: number): Promise<void> {
    await this.#add({ kind: "lossy", node: this.node(node).network, percent });
  }

  /** Takes all of these back. Connections that waited go on up to half a minute later. */
  async heal(): Promise<void> {
    this.#faults.length = 0;
    await setFaults(this.#faults);
  }

  async kill(component: Component): Promise<void> {
    await this.#plane.kill(component);
  }

  async start(component: Component): Promise<void> {
    await this.#plane.start(component);
  }

  async #add(fault: NetworkFault): Promise<void> {
    this.#faults.push(fault);
    await setFaults(this.#faults);
  }

  /** DNS and volumes, and a kube-proxy in the hub, so that the way from this machine to a Service leads over no node. */
  async #startServices(bin: string): Promise<void> {
    const { directory } = this.#plane;
    const kubeconfig = (name: string) => this.#plane.kubeconfigOf(name);
    await writeFile(join(directory, "Corefile"), corefile(kubeconfig("coredns")));
    await writeFile(join(directory, "proxy.json"), proxySettings(this.nodes[0]!.name, kubeconfig("proxy")));
    const start = async (name: string, ...args: string[]) => {
      await this.#daemons.start(name, [...IN_HUB, join(bin, name), ...args]);
    };
    await this.#kubectl(["apply", "-f", "-"], JSON.stringify(clusterObjects()));
    await start("coredns", "-conf", join(directory, "Corefile"));
    const volumes = join(directory, "volumes");
    await start(
      "volume-provisioner",
      "-kubeconfig",
      kubeconfig("provisioner"),
      "-root",
      volumes,
      "-name",
      PROVISIONER,
    );
  }

  async #nodesReady(): Promise<void> {
    const path = "{range .items[*]}{.status.conditions[?(@.type=='Ready')].status}{' '}{end}";
    const deadlineMs = performance.now() + NODES_TIMEOUT_MS;
    for (;;) {
      const statuses = (await this.#kubectl(["get", "nodes", "-o", `jsonpath=${path}`])).trim().split(" ");
      if (statuses.filter((status) => status === "True").length === this.nodes.length) break;
      if (performance.now() > deadlineMs) throw new Error(`not all nodes are ready: ${statuses.join(" ")}`);
      await delay(200);
    }
    await this.#daemons.start("kube-proxy", [
      ...IN_HUB,
      join(await kubeBinaries(), "kube-proxy"),
      "--config",
      join(this.#plane.directory, "proxy.json"),
    ]);
  }

  async #kubectl(args: readonly string[], input?: string): Promise<string> {
    const program = join(await kubeBinaries(), "kubectl");
    return await runCommand(
      [program, "--kubeconfig", this.kubeconfig, ...args],
      input === undefined ? {} : { input },
    );
  }
}

function describeNodes(
  options: Pick<KubeNodeOptions, "directory" | "daemons" | "bin" | "images">,
): KubeNode[] {
  return [1, 2, 3].map((index) => {
    const zone = `zone-${String.fromCodePoint(96 + index)}`;
    return new KubeNode({ ...options, index, dnsAddress: DNS_ADDRESS, zone });
  });
}

/** Ends whatever runs of the machine's test cluster, whoever started it, and removes all that it has made. */
export async function removeCluster(): Promise<void> {
  const nodes = ["node-a", "node-b", "node-c"];
  // A frozen process can't die.
  for (const node of nodes) setFrozen(node, false);
  if (existsSync(CLUSTER_DIRECTORY)) {
    const daemons = new Daemons({ directory: CLUSTER_DIRECTORY });
    for (const name of daemons.names()) await daemons.stop(name, "SIGKILL");
    await removeEtcdData();
  }
  for (const node of nodes) await clearGroups(node);
  removeParentGroups();
  await removeNetworks();
  await removeLeftovers();
  await rm(CLUSTER_DIRECTORY, { recursive: true, force: true, maxRetries: 5 });
}

async function removeEtcdData(): Promise<void> {
  const data = await readFile(join(CLUSTER_DIRECTORY, "etcd-data"), "utf8").catch(() => undefined);
  if (data !== undefined) await rm(data, { recursive: true, force: true });
}

function corefile(kubeconfig: string): string {
  return `.:53 {
  bind ${HUB_ADDRESS}
  errors
  ready ${HUB_ADDRESS}:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 5
  }
  cache 5
  loadbalance
}
`;
}

/** The DNS Service leads to the hub; claims without a class get a directory on the node of their pod. */
function clusterObjects(): unknown {
  const dns = (name: string, protocol: string) => ({ name, port: 53, protocol });
  const ports = [dns("dns", "UDP"), dns("dns-tcp", "TCP")];
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace: "kube-system" },
    spec: { clusterIP: DNS_ADDRESS, ports },
  };
  const endpoints = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: "kube-dns-hub",
      namespace: "kube-system",
      labels: { "kubernetes.io/service-name": "kube-dns" },
    },
    addressType: "IPv4",
    ports,
    endpoints: [{ addresses: [HUB_ADDRESS], conditions: { ready: true } }],
  };
  const storage = {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "standard", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: PROVISIONER,
    volumeBindingMode: "WaitForFirstConsumer",
    reclaimPolicy: "Delete",
  };
  return { apiVersion: "v1", kind: "List", items: [service, endpoints, storage] };
}
