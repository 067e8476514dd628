import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { POD_CIDR } from "./control-plane.js";
import { clearGroups, groupOf, hierarchies, makeGroups, setFrozen } from "./control-groups.js";
import type { Daemons } from "./daemons.js";
import { makeNodeNetwork, networkOf, type NodeNetwork } from "./network.js";
import { runCommand } from "./run-command.js";

const INIT = join(import.meta.dirname, "../../node/init.sh");

export interface KubeNodeOptions {
  readonly index: number;
  /** Of the whole cluster. */
  readonly directory: string;
  readonly daemons: Daemons;
  readonly bin: string;
  readonly images: string;
  readonly dnsAddress: string;
  /** Undefined: the node has no zone label. */
  readonly zone: string | undefined;
}

/** A node: containerd, kubelet and kube-proxy in a tree of processes of its own. `node-a` is in zone-a. */
export class KubeNode {
  readonly name: string;
  readonly network: NodeNetwork;
  readonly #options: KubeNodeOptions;

  constructor(options: KubeNodeOptions) {
    this.#options = options;
    this.name = `node-${String.fromCodePoint(96 + options.index)}`;
    this.network = networkOf(options.index);
  }

  async make(): Promise<void> {
    await makeNodeNetwork(this.network);
    await this.#writeSettings();
    await this.boot();
  }

  async boot(): Promise<void> {
    const { daemons, bin, images, directory, zone } = this.#options;
    await clearGroups(this.name);
    makeGroups(this.name);
    const labels = zone === undefined ? [] : [`topology.kubernetes.io/zone=${zone}`];
    const environment = {
      NODE_NAME: this.name,
      NODE_DIRECTORY: this.#directory,
      NODE_NETWORK: this.network.namespace,
      NODE_ADDRESS: this.network.address,
      NODE_LABELS: [...labels, "topology.kubernetes.io/region=here"].join(","),
      CGROUP: groupOf(this.name),
      CGROUP_TYPES: hierarchies().join(" "),
      IMAGES: images,
      KUBE_BIN: bin,
      KUBELET_CONFIG: join(directory, "kubeconfig", this.name),
    };
    const settings = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    await daemons.start(this.name, ["env", ...settings, "bash", INIT, "enter"]);
  }

  /** As a loss of power: every process ends at once. */
  async crash(): Promise<void> {
    setFrozen(this.name, false);
    await this.#options.daemons.stop(this.name, "SIGKILL");
    await clearGroups(this.name);
  }

  freeze(): void {
    setFrozen(this.name, true);
  }

  thaw(): void {
    setFrozen(this.name, false);
  }

  /** The node starts it again. */
  async killKubelet(): Promise<void> {
    const pid = (await readFile(join(this.#directory, "kubelet.pid"), "utf8")).trim();
    await this.run(["kill", "-9", pid]);
  }

  /** Kills a container's first process, which cannot be done from inside of it. `containerId` as in a pod's status. */
  async killContainer(containerId: string): Promise<void> {
    const id = containerId.replace("containerd://", "");
    await this.run(["ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", id]);
  }

  /** Runs a command of this machine in the node's namespaces. */
  async run(command: readonly string[]): Promise<string> {
    const parent = this.#options.daemons.pidOf(this.name);
    const children = await readFile(`/proc/${parent}/task/${parent}/children`, "utf8");
    const init = children.trim().split(" ")[0]!;
    return await runCommand(["nsenter", "-t", init, "-a", "--", ...command]);
  }

  get logDirectory(): string {
    return join(this.#directory, "log");
  }

  get #directory(): string {
    return join(this.#options.directory, "nodes", this.name);
  }

  async #writeSettings(): Promise<void> {
    const etc = join(this.#directory, "etc");
    await mkdir(join(etc, "cni"), { recursive: true });
    const write = (file: string, text: string) => writeFile(join(etc, file), text);
    await Promise.all([
      write("containerd.toml", this.#containerdSettings(join(etc, "cni"))),
      write("cni/10-bridge.conflist", JSON.stringify(this.#podNetworkSettings())),
      write("kubelet.json", JSON.stringify(this.#kubeletSettings())),
      write("proxy.json", proxySettings(this.name, join(this.#options.directory, "kubeconfig", "proxy"))),
    ]);
  }

  #containerdSettings(cni: string): string {
    const disabled = [
      "snapshotter.v1.aufs",
      "snapshotter.v1.btrfs",
      "snapshotter.v1.zfs",
      "snapshotter.v1.devmapper",
    ]
      .concat("tracing.processor.v1.otlp", "internal.v1.tracing")
      .map((plugin) => `"io.containerd.${plugin}"`);
    // Where the machine lacks CAP_SYS_RESOURCE, runc may not lower oom_score_adj, and no pod would start.
    return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [${disabled.join(", ")}]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;
  }

  #podNetworkSettings(): unknown {
    const ranges = [[{ subnet: this.network.podCidr }]];
    const ipam = { type: "host-local", dataDir: "/var/lib/cni", ranges, routes: [{ dst: "0.0.0.0/0" }] };
    const bridge = {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      hairpinMode: true,
      ipMasq: false,
      ipam,
    };
    const ports = { type: "portmap", capabilities: { portMappings: true } };
    return { cniVersion: "1.0.0", name: "pods", plugins: [bridge, ports] };
  }

  /** A node that is cut off is NotReady about 10 s later. */
  #kubeletSettings(): unknown {
    const clientCAFile = join(this.#options.directory, "pki", "ca.crt");
    return {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      failCgroupV1: false,
      cgroupDriver: "cgroupfs",
      containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
      authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile } },
      authorization: { mode: "Webhook" },
      clusterDNS: [this.#options.dnsAddress],
      clusterDomain: "cluster.local",
      resolvConf: "",
      failSwapOn: false,
      evictionHard: {
        "memory.available": "0%",
        "nodefs.available": "0%",
        "nodefs.inodesFree": "0%",
        "imagefs.available": "0%",
      },
      imageGCHighThresholdPercent: 100,
      imageGCLowThresholdPercent: 99,
      makeIPTablesUtilChains: false,
      volumePluginDir: join(this.#directory, "volume-plugins"),
      nodeLeaseDurationSeconds: 8,
      nodeStatusUpdateFrequency: "4s",
      crashLoopBackOff: { maxContainerRestartPeriod: "10s" },
      featureGates: { KubeletCrashLoopBackOffMax: true },
    };
  }
}

/** `node` is one that exists: kube-proxy reads its addresses. The settings of connection tracking can't be written in a namespace. */
export function proxySettings(node: string, kubeconfig: string): string {
  return JSON.stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: "nftables",
    hostnameOverride: node,
    clientConnection: { kubeconfig },
    clusterCIDR: POD_CIDR,
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  });
}

/** Whether the machine has the programs that nodes are made of; the names of the packages with those that it lacks. */
export function missingPackages(): string[] {
  const packages = [
    ["containerd", "/usr/bin/containerd"],
    ["runc", "/usr/sbin/runc"],
    ["containernetworking-plugins", "/usr/lib/cni/bridge"],
    ["nftables", "/usr/sbin/nft"],
    ["conntrack", "/usr/sbin/conntrack"],
    ["iproute2", "/usr/sbin/ip"],
    ["procps", "/usr/sbin/sysctl"],
    ["buildah", "/usr/bin/buildah"],
    ["busybox-static", "/usr/bin/busybox"],
    ["openssl", "/usr/bin/openssl"],
  ] as const;
  return packages
    .filter(([, file]) => !existsSync(file) && !existsSync(file.replace("/usr", "")))
    .map(([name]) => name);
}
