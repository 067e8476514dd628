/** kubeconfig files, by the parsers of the Kubernetes client where those can be had without all of it. */
import { readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { dirname, resolve } from "node:path";
import type { Cluster, Context, User } from "@kubernetes/client-node/dist/config_types.js";
import type { Connection } from "./kube-config.js";
import { KubeConfigError } from "./kube-config-error.js";

interface Merged {
  readonly clusters: Cluster[];
  readonly users: (User & { readonly tokenFile?: string })[];
  readonly contexts: Context[];
  currentContext: string | undefined;
}

/**
 * Reads and merges the files as kubectl does: the first to say something wins. Modules are loaded here
 * and not at the top, because a pod needs none of them, and together they take more memory than it has use for.
 */
export async function readKubeconfig(
  paths: readonly string[],
  contextName: string | undefined,
  plugins: CredentialPlugins,
): Promise<Connection> {
  const merged: Merged = { clusters: [], users: [], contexts: [], currentContext: undefined };
  for (const path of paths) await mergeFile(merged, path);
  const context = find(merged.contexts, contextName ?? merged.currentContext, "context");
  const cluster = find(merged.clusters, context.cluster, "cluster");
  const user = find(merged.users, context.user, "user");
  if (cluster.proxyUrl)
    throw new KubeConfigError(`cluster ${cluster.name} is behind a proxy (proxy-url): not supported`);
  const credentials = await credentialsOf(user, cluster, plugins);
  return {
    server: cluster.server,
    tls: {
      ca: await fileOrData(cluster.caFile, cluster.caData),
      cert: credentials.cert ?? (await fileOrData(user.certFile, user.certData)),
      key: credentials.key ?? (await fileOrData(user.keyFile, user.keyData)),
      servername: cluster.tlsServerName,
      rejectUnauthorized: cluster.skipTLSVerify ? false : undefined,
    },
    headers: {
      ...credentials.headers,
      ...(user.impersonateUser ? { "impersonate-user": user.impersonateUser } : {}),
    },
    namespace: context.namespace ?? "default",
  };
}

async function mergeFile(merged: Merged, path: string): Promise<void> {
  const { newClusters, newContexts, newUsers } = await import("@kubernetes/client-node/dist/config_types.js");
  const { parse } = await import("yaml");
  try {
    const document = parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const beside = (file: string | undefined): string | undefined =>
      file ? resolve(dirname(path), file) : undefined;
    for (const cluster of newClusters(document["clusters"]))
      merged.clusters.push({ ...cluster, caFile: beside(cluster.caFile) });
    const tokenFiles = tokenFilesOf(document["users"]);
    for (const user of newUsers(document["users"]))
      merged.users.push({
        ...user,
        certFile: beside(user.certFile),
        keyFile: beside(user.keyFile),
        tokenFile: beside(tokenFiles.get(user.name)),
      });
    merged.contexts.push(...newContexts(document["contexts"]));
    merged.currentContext ??= document["current-context"] as string | undefined;
  } catch (error) {
    throw new KubeConfigError(`${path} cannot be read as a kubeconfig: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The client reads `token-file` once; the field is `tokenFile`, and the file is replaced while we run. */
function tokenFilesOf(users: unknown): Map<string, string> {
  const entries = (users ?? []) as { name: string; user?: { tokenFile?: string } }[];
  return new Map(entries.flatMap(({ name, user }) => (user?.tokenFile ? [[name, user.tokenFile]] : [])));
}

interface UserCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

async function credentialsOf(
  user: User & { readonly tokenFile?: string },
  cluster: Cluster,
  plugins: CredentialPlugins,
): Promise<UserCredentials> {
  if (user.tokenFile) return bearer((await readFile(user.tokenFile, "utf8")).trim());
  if (user.token) return bearer(user.token.trim());
  if (user.username) {
    const basic = Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64");
    return { headers: { authorization: `Basic ${basic}` } };
  }
  const isPlugin = Boolean(user.exec ?? user.authProvider);
  return isPlugin ? plugins.authenticate(user, cluster) : { headers: {} };
}

/** Remembers what plugins gave for as long as they say that it is good: running one takes a process and time. */
export class CredentialPlugins {
  #apply: ((options: RequestOptions) => Promise<void>) | undefined;
  #user = "";

  async authenticate(user: User, cluster: Cluster): Promise<UserCredentials> {
    const identity = JSON.stringify([user, cluster]);
    if (this.#apply === undefined || this.#user !== identity) {
      this.#apply = await pluginOf(user, cluster);
      this.#user = identity;
    }
    return authenticated(this.#apply);
  }
}

async function pluginOf(user: User, cluster: Cluster): Promise<(options: RequestOptions) => Promise<void>> {
  if (user.exec) {
    const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
    const plugin = new ExecAuth();
    return (options) => plugin.applyAuthentication(user, options);
  }
  // Old cloud plugins and OIDC: the one case that needs the whole client, 85 MB of it.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  config.loadFromClusterAndUser(cluster, user);
  return (options) => config.applyToHTTPSOptions(options);
}

async function authenticated(apply: (options: RequestOptions) => Promise<void>): Promise<UserCredentials> {
  const headers: Record<string, string> = {};
  const options: RequestOptions = { headers };
  await apply(options);
  const authorization = headers["Authorization"];
  return {
    headers: authorization === undefined ? {} : { authorization },
    cert: options.cert as string | undefined,
    key: options.key as string | undefined,
  };
}

function bearer(token: string): UserCredentials {
  return { headers: { authorization: `Bearer ${token}` } };
}

async function fileOrData(file: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (file) return readFile(file, "utf8");
  return data ? Buffer.from(data, "base64").toString() : undefined;
}

function find<T extends { readonly name: string }>(
  list: readonly T[],
  name: string | undefined,
  what: string,
): T {
  const found = list.find((item) => item.name === name);
  if (found === undefined)
    throw new KubeConfigError(`the kubeconfig has no ${what} ${JSON.stringify(name ?? "")}`);
  return found;
}
