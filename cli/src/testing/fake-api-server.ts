/** An API server that knows some objects, and passes on what is for a Service to a handler. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FakeApiServer {
  /** Path of a kubeconfig whose context is in namespace "home". */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

export interface FakeApiServerOptions {
  readonly clusters: readonly object[];
  /** `path` is what comes behind the Service's proxy. */
  readonly onService: (
    service: string,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ) => void;
}

const SERVICE = /^\/api\/v1\/namespaces\/([^/]+)\/services\/([^/]+)\/proxy(\/.*)$/;

export async function startFakeApiServer({
  clusters,
  onService,
}: FakeApiServerOptions): Promise<FakeApiServer> {
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    const service = SERVICE.exec(url);
    if (service !== null) return onService(`${service[1]}/${service[2]}`, service[3]!, request, response);
    const json = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const [path = ""] = url.split("?");
    const name = /\/namespaces\/home\/prismclusters(?:\/(.+))?$/.exec(path);
    const found = clusters.filter((one) => name?.[1] === undefined || nameOf(one) === name[1]);
    if (name === null || (name[1] !== undefined && found.length === 0))
      return json(404, notFound(path, name?.[1]));
    if (name[1] !== undefined) return json(200, found[0]!);
    json(200, { kind: "PrismClusterList", metadata: { resourceVersion: "1" }, items: found });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const directory = mkdtempSync(join(tmpdir(), "prism-cli-"));
  const kubeconfig = join(directory, "config");
  writeFileSync(kubeconfig, kubeconfigOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  return {
    kubeconfig,
    close: async () => {
      rmSync(directory, { recursive: true });
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Names the object that is not there; a kind that is not there has none. */
function notFound(path: string, name: string | undefined): object {
  const details = name === undefined ? {} : { details: { name } };
  return { kind: "Status", code: 404, reason: "NotFound", message: `${path} not found`, ...details };
}

function nameOf(object: object): string {
  return (object as { metadata: { name: string } }).metadata.name;
}

function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "of-the-user" } }],
    contexts: [
      { name: "here", context: { cluster: "c", user: "u", namespace: "home" } },
      { name: "empty", context: { cluster: "c", user: "u", namespace: "nowhere" } },
    ],
    "current-context": "here",
  });
}
