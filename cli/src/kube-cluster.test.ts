import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable, Writable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { connect } from "./connection.js";
import type { Context } from "./context.js";
import { findCluster } from "./kube-cluster.js";
import { buildProgram } from "./program.js";
import { startFakeApiServer, type FakeApiServer } from "./testing/fake-api-server.js";

type OnService = (service: string, path: string, request: IncomingMessage, response: ServerResponse) => void;

const servers: FakeApiServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serverWith(clusters: readonly object[], onService: OnService = refuse): Promise<string> {
  const server = await startFakeApiServer({ clusters, onService });
  servers.push(server);
  return server.kubeconfig;
}

function refuse(_service: string, _path: string, _request: IncomingMessage, response: ServerResponse): void {
  const message = 'no endpoints available for service "demo"';
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", message, code: 503 };
  response.writeHead(503, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function cluster(name: string, status?: object): object {
  const metadata = {
    name,
    namespace: "home",
    uid: "u",
    resourceVersion: "1",
    creationTimestamp: "2026-11-21T00:00:00Z",
  };
  return { apiVersion: "prism.dev/v1alpha1", kind: "PrismCluster", metadata, spec: {}, status };
}

const SUSPECT = {
  conditions: [
    {
      type: "Ready",
      status: "False",
      reason: "NodeSuspect",
      message: "node/demo-a-0",
      lastTransitionTime: "2026-11-21T00:00:00Z",
    },
  ],
};

async function prism(...args: string[]): Promise<{ output: string; error: unknown }> {
  let output = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      output += chunk.toString();
      done();
    },
  });
  const paint: Context["paint"] = (_colour, text) => text;
  const context: Context = { stdin: Readable.from([]), stdout: sink, stderr: sink, paint };
  let error: unknown;
  await buildProgram(context, () => undefined, { plugin: true })
    .parseAsync(["node", "kubectl-prism", ...args])
    .catch((thrown: unknown) => {
      error = thrown;
    });
  return { output, error };
}

describe("a cluster in Kubernetes", () => {
  it("is the only one of the context's namespace, or the one that is named", async () => {
    const kubeconfig = await serverWith([cluster("one")]);
    const found = await findCluster({ kubeconfig });
    expect([found.namespace, found.name]).toEqual(["home", "one"]);
    await found.api.close();
    const named = await findCluster({
      kubeconfig: await serverWith([cluster("one"), cluster("two")]),
      cluster: "two",
    });
    expect(named.name).toBe("two");
    await named.api.close();
  });

  it.each([
    [{}, "namespace home has the clusters one, two: name one with --cluster"],
    [{ cluster: "three" }, "no prismcluster three in namespace home: kubectl get prismclusters -A"],
    [{ context: "empty" }, "the API server knows no prismclusters: install the operator first"],
    [{ context: "elsewhere" }, 'the kubeconfig has no context "elsewhere"'],
    [{ kubeconfig: "/nonexistent/config" }, "/nonexistent/config cannot be read as a kubeconfig"],
  ])("must be clear: %j", async (options, message) => {
    const kubeconfig = await serverWith([cluster("one"), cluster("two")]);
    await expect(findCluster({ kubeconfig, ...options })).rejects.toThrow(message);
  });

  it("is asked through the API server, with the user's credentials, and nobody else may use the way", async () => {
    const seen: string[] = [];
    const kubeconfig = await serverWith([cluster("demo")], (service, path, request, response) => {
      seen.push(`${request.method} ${service} ${path} ${request.headers.authorization}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"collections":[]}');
    });
    const client = await connect({ kubeconfig, data: ".prism" });
    expect(await client.listCollections()).toEqual([]);
    await client.close();
    expect(seen).toEqual(["GET home/http:demo:3080 /api/v1/collections Bearer of-the-user"]);

    const found = await findCluster({ kubeconfig });
    const tunnel = await found.tunnel();
    const stranger = await fetch(`${tunnel.url}/api/v1/collections`, {
      headers: { authorization: "Bearer guess" },
    });
    expect(stranger.status).toBe(401);
    expect(seen).toHaveLength(1);
    await tunnel.close();
    await found.api.close();
  });

  it("answers with a node's own problems as they are, and with the API server's words where that refuses", async () => {
    const problem = {
      code: "collectionNotFound",
      detail: "there is no collection x",
      retryable: false,
      executed: "no",
    };
    const kubeconfig = await serverWith([cluster("demo")], (_service, path, _request, response) => {
      if (path.endsWith("/x")) {
        response.writeHead(404, { "content-type": "application/problem+json" }).end(JSON.stringify(problem));
        return;
      }
      const message = 'services "demo" is forbidden';
      response
        .writeHead(403, { "content-type": "application/json" })
        .end(JSON.stringify({ kind: "Status", message }));
    });
    const client = await connect({ kubeconfig, data: ".prism" });
    await expect(client.deleteCollection("x")).rejects.toThrow("there is no collection x");
    await expect(client.listCollections()).rejects.toThrow('services "demo" is forbidden');
    await client.close();
  });

  it("carries bodies of any size both ways", async () => {
    const kubeconfig = await serverWith([cluster("demo")], (_service, _path, request, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      request.pipe(response);
    });
    const found = await findCluster({ kubeconfig });
    const tunnel = await found.tunnel();
    const body = Buffer.alloc(3_000_000, "x");
    const headers = { authorization: `Bearer ${tunnel.key}` };
    const answer = await fetch(`${tunnel.url}/echo`, { method: "POST", body, headers });
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
    await tunnel.close();
    await found.api.close();
  });
});

describe("kubectl prism", () => {
  it("tells what the cluster's object says when no node answers", async () => {
    const kubeconfig = await serverWith([cluster("demo", SUSPECT)]);
    const { error } = await prism("--kubeconfig", kubeconfig, "status");
    expect((error as Error).message).toContain('no endpoints available for service "demo"');
    expect((error as Error).message).toContain("Ready=False NodeSuspect: node/demo-a-0");
  });

  it("says that no operator has looked at a cluster without status", async () => {
    const kubeconfig = await serverWith([cluster("demo")]);
    const { error } = await prism("--kubeconfig", kubeconfig, "status");
    expect((error as Error).message).toContain("no operator has looked at prismcluster demo yet");
  });

  it("has no commands of local mode, and names itself in its help", async () => {
    const { output } = await prism("--help");
    expect(output).toContain("Usage: kubectl prism");
    expect(output).not.toMatch(/^ {2}(up|down) /m);
  });
});
