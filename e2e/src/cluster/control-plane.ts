/**
 * etcd, kube-apiserver, kube-controller-manager and kube-scheduler as processes of this machine: alone on loopback
 * for integration tests, or in a network namespace as the control plane of a whole cluster.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CertificateAuthority, type Identity } from "./certificates.js";
import { Daemons } from "./daemons.js";
import { kubeBinaries } from "./kube-binary.js";

export const SERVICE_CIDR = "10.96.0.0/16";
const SERVICE_ADDRESS = "10.96.0.1";
export const POD_CIDR = "10.244.0.0/16";

export type Component = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-scheduler";

export interface ControlPlaneOptions {
  /** Default: a new temporary directory, removed by stop(). */
  readonly directory?: string;
  /** That the API server binds and advertises. Default 127.0.0.1, with free ports. */
  readonly address?: string;
  /** Before each command, to run it elsewhere: `ip netns exec name`. */
  readonly prefix?: readonly string[];
  /** Ends all with the process that starts it. Default true. */
  readonly endWithParent?: boolean;
  readonly identities?: readonly Identity[];
  readonly apiServerArguments?: readonly string[];
  readonly controllerManagerArguments?: readonly string[];
}

interface Ports {
  readonly api: number;
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly controllerManager: number;
  readonly scheduler: number;
}

export const FIXED_PORTS: Ports = {
  api: 6443,
  etcd: 2379,
  etcdPeer: 2380,
  controllerManager: 10257,
  scheduler: 10259,
};
/** A file system in memory: etcd waits for its disk with everything it does. */
const MEMORY = "/dev/shm";
const START_TIMEOUT_MS = 90_000;
const POLL_MS = 100;

const CLIENTS: readonly Identity[] = [
  { name: "admin", commonName: "admin", organization: "system:masters" },
  {
    name: "controller-manager",
    commonName: "system:kube-controller-manager",
    organization: "system:kube-controller-manager",
  },
  { name: "scheduler", commonName: "system:kube-scheduler", organization: "system:kube-scheduler" },
];

export interface ControlPlanePlace {
  readonly directory: string;
  readonly server: string;
  readonly endWithParent?: boolean;
  /** The directory goes with it. */
  readonly temporary?: boolean;
}

export class ControlPlane {
  readonly directory: string;
  readonly server: string;
  readonly daemons: Daemons;
  readonly #temporary: boolean;

  constructor({ directory, server, endWithParent = false, temporary = false }: ControlPlanePlace) {
    this.directory = directory;
    this.server = server;
    this.daemons = new Daemons({ directory, endWithParent });
    this.#temporary = temporary;
  }

  /** Path of the administrator's kubeconfig. */
  get kubeconfig(): string {
    return this.kubeconfigOf("admin");
  }

  kubeconfigOf(identity: string): string {
    return join(this.directory, "kubeconfig", identity);
  }

  /** As a crash: without a chance to say goodbye. */
  async kill(component: Component): Promise<void> {
    await this.daemons.stop(component, "SIGKILL");
  }

  /** Starts a killed component again and, where it is the API server's or etcd's turn, waits until requests are served. */
  async start(component: Component): Promise<void> {
    await this.daemons.startAgain(component);
    await this.ready();
  }

  async ready(): Promise<void> {
    await this.#until("the API server is ready", "/readyz");
  }

  /** Ends the processes and removes etcd's data, and the directory if it was made by startControlPlane(). */
  async stop(): Promise<void> {
    for (const name of ["kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"])
      await this.daemons.stop(name, "SIGKILL");
    const data = await readFile(join(this.directory, "etcd-data"), "utf8").catch(() => undefined);
    if (data !== undefined) await rm(data, { recursive: true, force: true });
    if (this.#temporary) await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The default service account is the controller manager's work, and the first thing that a pod needs. */
  async controllersWork(): Promise<void> {
    await this.#until("controllers work", "/api/v1/namespaces/default/serviceaccounts/default");
  }

  async #until(what: string, path: string): Promise<void> {
    const kubeconfig = JSON.parse(await readFile(this.kubeconfig, "utf8")) as Kubeconfig;
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    while ((await statusOf(`${this.server}${path}`, kubeconfig)) !== 200) {
      if (performance.now() > deadlineMs)
        throw new Error(
          `not within ${START_TIMEOUT_MS} ms: ${what}; logs are in ${join(this.directory, "log")}`,
        );
      await delay(POLL_MS);
    }
  }
}

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { readonly "certificate-authority-data": string } }];
  readonly users: readonly [
    { readonly user: { readonly "client-certificate-data": string; readonly "client-key-data": string } },
  ];
}

/** Starts a control plane and resolves when its API server, controllers and scheduler work: about 5 s. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const { address = "127.0.0.1", prefix = [], endWithParent = true, identities = [] } = options;
  const { apiServerArguments = [], controllerManagerArguments = [] } = options;
  const bin = await kubeBinaries();
  await removeLeftovers();
  const owner = endWithParent ? `prism-kube-${process.pid}-` : "prism-kube-kept-";
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), owner)));
  const ports = prefix.length > 0 ? FIXED_PORTS : await freePorts();
  const server = `https://${address}:${ports.api}`;
  const plane = new ControlPlane({
    directory,
    server,
    endWithParent,
    temporary: options.directory === undefined,
  });
  try {
    await writeIdentities(plane, address, identities);
    const data = await mkdtemp(join(MEMORY, owner));
    await writeFile(join(directory, "etcd-data"), data);
    const start = async (name: Component, args: readonly string[]) => {
      await plane.daemons.start(name, [...prefix, join(bin, name), ...args]);
    };
    await start("etcd", etcdFlags(ports, data));
    await start("kube-apiserver", [...apiServerFlags(plane, address, ports), ...apiServerArguments]);
    await plane.ready();
    // Not before: until then the bootstrap roles are missing, and the controller manager would end.
    await start("kube-controller-manager", [
      ...controllerManagerFlags(plane, ports),
      ...controllerManagerArguments,
    ]);
    await start("kube-scheduler", schedulerFlags(plane, ports));
    await plane.controllersWork();
    return plane;
  } catch (error) {
    await plane.stop();
    throw error;
  }
}

/** What control planes have left that ended with their processes, when those were killed. */
export async function removeLeftovers(): Promise<void> {
  for (const place of [MEMORY, tmpdir()])
    for (const name of await readdir(place)) {
      const pid = /^prism-kube-(\d+)-/.exec(name)?.[1];
      if (pid !== undefined && !existsSync(`/proc/${pid}`))
        await rm(join(place, name), { recursive: true, force: true });
    }
}

async function writeIdentities(
  plane: ControlPlane,
  address: string,
  more: readonly Identity[],
): Promise<void> {
  const authority = await CertificateAuthority.make(join(plane.directory, "pki"));
  const names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
  const alternativeNames = [
    ...[...new Set(["127.0.0.1", address, SERVICE_ADDRESS])].map((ip) => `IP:${ip}`),
    ...[...names, "kubernetes.default.svc.cluster.local"].map((name) => `DNS:${name}`),
  ].join(",");
  const apiServer = {
    name: "apiserver",
    commonName: "kube-apiserver",
    organization: "kubernetes",
    alternativeNames,
  };
  const clients = [...CLIENTS, ...more];
  await Promise.all([
    authority.issueTokenKeys("service-account"),
    ...[apiServer, ...clients].map((identity) => authority.issue(identity)),
  ]);
  await mkdir(join(plane.directory, "kubeconfig"), { recursive: true });
  for (const { name } of clients)
    await writeFile(plane.kubeconfigOf(name), await authority.kubeconfig(name, plane.server), {
      mode: 0o600,
    });
}

function etcdFlags(ports: Ports, data: string): string[] {
  const url = `http://127.0.0.1:${ports.etcd}`;
  const peerUrl = `http://127.0.0.1:${ports.etcdPeer}`;
  return flags({
    name: "main",
    "data-dir": data,
    "unsafe-no-fsync": true,
    "log-level": "warn",
    "listen-client-urls": url,
    "advertise-client-urls": url,
    "listen-peer-urls": peerUrl,
    "initial-advertise-peer-urls": peerUrl,
    "initial-cluster": `main=${peerUrl}`,
  });
}

function apiServerFlags(plane: ControlPlane, address: string, ports: Ports): string[] {
  const pki = (file: string) => join(plane.directory, "pki", file);
  return flags({
    "etcd-servers": `http://127.0.0.1:${ports.etcd}`,
    // A loopback address is refused as the endpoint of the service "kubernetes": nothing is written then.
    "endpoint-reconciler-type": address.startsWith("127.") ? "none" : "lease",
    "bind-address": address,
    "advertise-address": address,
    "secure-port": ports.api,
    "tls-cert-file": pki("apiserver.crt"),
    "tls-private-key-file": pki("apiserver.key"),
    "client-ca-file": pki("ca.crt"),
    "cert-dir": pki("own"),
    "kubelet-client-certificate": pki("admin.crt"),
    "kubelet-client-key": pki("admin.key"),
    "kubelet-preferred-address-types": "InternalIP",
    "allow-privileged": true,
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-account-key-file": pki("service-account.pub"),
    "service-account-signing-key-file": pki("service-account.key"),
    "service-cluster-ip-range": SERVICE_CIDR,
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
  });
}

function controllerManagerFlags(plane: ControlPlane, ports: Ports): string[] {
  const pki = (file: string) => join(plane.directory, "pki", file);
  return flags({
    ...clientFlags(plane, "controller-manager", ports.controllerManager),
    "root-ca-file": pki("ca.crt"),
    "service-account-private-key-file": pki("service-account.key"),
    "cluster-signing-cert-file": pki("ca.crt"),
    "cluster-signing-key-file": pki("ca.key"),
    "use-service-account-credentials": true,
    "service-cluster-ip-range": SERVICE_CIDR,
    "cluster-cidr": POD_CIDR,
    "node-cidr-mask-size": 24,
  });
}

function schedulerFlags(plane: ControlPlane, ports: Ports): string[] {
  return flags(clientFlags(plane, "scheduler", ports.scheduler));
}

/** Without raised rates the controller manager needs 5 s to start its controllers. */
function clientFlags(plane: ControlPlane, identity: string, port: number): Flags {
  const kubeconfig = plane.kubeconfigOf(identity);
  return {
    kubeconfig,
    "authentication-kubeconfig": kubeconfig,
    "authorization-kubeconfig": kubeconfig,
    "leader-elect": false,
    "kube-api-qps": 500,
    "kube-api-burst": 1000,
    "bind-address": "127.0.0.1",
    "secure-port": port,
    "cert-dir": join(plane.directory, "pki", "own"),
  };
}

type Flags = Readonly<Record<string, string | number | boolean>>;

function flags(values: Flags): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

/** The status of a GET, or 0 when there was no answer. */
async function statusOf(url: string, { clusters, users }: Kubeconfig): Promise<number> {
  const decode = (text: string) => Buffer.from(text, "base64");
  return await new Promise((resolve) => {
    const call = request(url, {
      ca: decode(clusters[0].cluster["certificate-authority-data"]),
      cert: decode(users[0].user["client-certificate-data"]),
      key: decode(users[0].user["client-key-data"]),
      agent: false,
      timeout: 5_000,
    });
    call.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.once("timeout", () => call.destroy());
    call.once("error", () => resolve(0));
    call.end();
  });
}

async function freePorts(): Promise<Ports> {
  const servers = Array.from({ length: 5 }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  const [api, etcd, etcdPeer, controllerManager, scheduler] = ports as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { api, etcd, etcdPeer, controllerManager, scheduler };
}
