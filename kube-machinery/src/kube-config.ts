/**
 * How to reach the API server and as whom: from a kubeconfig, or from what a pod is given. What can
 * expire (token files, exec plugins, rotated certificates) is read again while the process runs.
 */
import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { delimiter, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { KubeConfigError } from "./kube-config-error.js";
import { CredentialPlugins, readKubeconfig } from "./kubeconfig-file.js";

/** The part of a process environment that says where the API server is. Plain data: it may go to a worker thread. */
export interface KubeEnvironment {
  /** Paths of kubeconfig files, in the platform's list form. */
  readonly KUBECONFIG?: string | undefined;
  readonly KUBERNETES_SERVICE_HOST?: string | undefined;
  readonly KUBERNETES_SERVICE_PORT?: string | undefined;
  readonly HOME?: string | undefined;
}

export interface Connection {
  readonly server: string;
  readonly tls: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly servername?: string | undefined;
    readonly rejectUnauthorized?: boolean | undefined;
  };
  /** Credentials and impersonation. */
  readonly headers: Readonly<Record<string, string>>;
  /** The namespace of the context, or of the pod. */
  readonly namespace: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Token files are replaced when 80 % of their life is over: an hour by default. */
const MAX_AGE_MS = 60_000;

export interface KubeConfigOptions {
  /** Of the kubeconfig. Default: its current context. */
  readonly context?: string | undefined;
  readonly serviceAccountDirectory?: string;
  readonly maxAgeMs?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export class KubeConfig {
  readonly #load: (plugins: CredentialPlugins) => Promise<Connection>;
  readonly #maxAgeMs: number;
  readonly #now: () => number;
  #plugins = new CredentialPlugins();
  #loaded:
    | { readonly connection: Promise<Connection>; readonly atMs: number; readonly isBeingRead: boolean }
    | undefined;
  #newest: Connection | undefined;

  constructor(environment: KubeEnvironment, options: KubeConfigOptions = {}) {
    this.#load = loaderOf(environment, options.serviceAccountDirectory ?? SERVICE_ACCOUNT, options.context);
    this.#maxAgeMs = options.maxAgeMs ?? MAX_AGE_MS;
    this.#now = options.now ?? ((): number => performance.now());
  }

  /**
   * Read again when older than a minute; while that fails, what was known before is good until it is refused.
   * Throws KubeConfigError that says what is missing.
   */
  connection(): Promise<Connection> {
    const isOld = this.#loaded !== undefined && this.#now() - this.#loaded.atMs > this.#maxAgeMs;
    if (this.#loaded === undefined || (isOld && !this.#loaded.isBeingRead)) {
      const loaded = { connection: this.#read(), atMs: this.#now(), isBeingRead: true };
      this.#loaded = loaded;
      loaded.connection.then(
        () => {
          loaded.isBeingRead = false;
        },
        () => {
          if (this.#loaded === loaded) this.#loaded = undefined;
        },
      );
    }
    return this.#loaded.connection;
  }

  /** The server refused these credentials: the next request has newer ones. Said of older ones, it changes nothing. */
  renew(refused: Connection): void {
    if (this.#newest !== refused) return;
    this.#newest = undefined;
    this.#loaded = undefined;
    this.#plugins = new CredentialPlugins();
  }

  async #read(): Promise<Connection> {
    try {
      const read = await this.#load(this.#plugins);
      // The same credentials are the same object: a refusal of one is a refusal of the other.
      if (!isDeepStrictEqual(read, this.#newest)) this.#newest = read;
      return this.#newest ?? read;
    } catch (error) {
      if (this.#newest === undefined) throw error;
      return this.#newest;
    }
  }
}

function loaderOf(
  environment: KubeEnvironment,
  serviceAccount: string,
  context: string | undefined,
): (plugins: CredentialPlugins) => Promise<Connection> {
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, HOME } = environment;
  const paths = (KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  if (paths.length > 0) return (plugins) => readKubeconfig(paths, context, plugins);
  if (host && port) return () => inCluster(host, port, serviceAccount);
  if (HOME) return (plugins) => readKubeconfig([join(HOME, ".kube", "config")], context, plugins);
  return () =>
    Promise.reject(
      new KubeConfigError("no API server known: set KUBECONFIG, or run in a pod with a service account"),
    );
}

async function inCluster(host: string, port: string, directory: string): Promise<Connection> {
  try {
    const [token, ca, namespace] = await Promise.all(
      ["token", "ca.crt", "namespace"].map((name) => readFile(join(directory, name), "utf8")),
    );
    return {
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      tls: { ca },
      headers: { authorization: `Bearer ${token!.trim()}` },
      namespace: namespace!.trim(),
    };
  } catch (error) {
    throw new KubeConfigError(`the pod's service account cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
