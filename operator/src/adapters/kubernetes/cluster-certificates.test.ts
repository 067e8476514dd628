import { X509Certificate } from "node:crypto";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { KubeObject, ObjectName, Stored } from "@prism/kube-machinery/kube-object";
import { TlsCredentials } from "@prism/proto/internal-credentials";
import { describe, expect, test } from "vitest";
import type { ClusterRef } from "../../ports/cluster-workloads.js";
import { ensureClusterCertificates } from "./cluster-certificates.js";

const NOW = Date.UTC(2026, 10, 21);
const YEAR_MS = 365 * 86_400_000;
const DEMO: ClusterRef = { namespace: "team", name: "demo", uid: "uid-1", clusterId: "c-1" };

type Secret = KubeObject & { data: Record<string, string> };

/** The three calls that are made, with the versions and conflicts of the real one. */
class FakeSecrets {
  readonly secrets = new Map<string, Stored<Secret>>();
  beforeWrite: () => void = () => undefined;
  #version = 0;

  get api(): ApiClient {
    return this as unknown as ApiClient;
  }

  async get(_resource: unknown, { name }: ObjectName): Promise<Stored<Secret> | undefined> {
    return this.secrets.get(name);
  }

  async create(_resource: unknown, object: Secret): Promise<void> {
    this.beforeWrite();
    if (this.secrets.has(object.metadata.name)) throw conflict("AlreadyExists");
    this.put(object);
  }

  async replace(_resource: unknown, object: Stored<Secret>): Promise<void> {
    this.beforeWrite();
    const present = this.secrets.get(object.metadata.name);
    if (present?.metadata.resourceVersion !== object.metadata.resourceVersion) throw conflict("Conflict");
    this.put(object);
  }

  put(object: Secret): void {
    const resourceVersion = String(++this.#version);
    const metadata = {
      creationTimestamp: "",
      uid: object.metadata.name,
      ...object.metadata,
      resourceVersion,
    };
    this.secrets.set(object.metadata.name, { ...object, metadata });
  }

  change(name: string, data: Record<string, string>): void {
    const present = this.secrets.get(name);
    if (present === undefined) throw new Error(`no Secret ${name}`);
    this.put({ ...present, data: { ...present.data, ...data } });
  }

  text(name: string, key: string): string {
    return Buffer.from(this.secrets.get(name)?.data[key] ?? "", "base64").toString();
  }
}

function conflict(reason: string): ApiError {
  return new ApiError({ status: 409, reason, message: reason });
}

function ensure(secrets: FakeSecrets, nowMs = NOW) {
  return ensureClusterCertificates(secrets.api, DEMO, nowMs);
}

describe("the certificates of a cluster", () => {
  test("are made once: the authority stays with the data, the others go with the cluster", async () => {
    const secrets = new FakeSecrets();
    const { made, operator } = await ensure(secrets);
    expect(made.map(({ name }) => name)).toEqual(["demo-ca", "demo-node-tls", "demo-operator-tls"]);
    expect(secrets.secrets.get("demo-ca")?.metadata.ownerReferences).toBeUndefined();
    expect(secrets.secrets.get("demo-node-tls")?.metadata.ownerReferences?.[0]?.uid).toBe("uid-1");
    expect(new TlsCredentials(operator).identity).toEqual({ clusterId: "c-1", role: "operator" });
    expect(new X509Certificate(secrets.text("demo-node-tls", "tls.crt")).subjectAltName).toBe(
      "DNS:*.demo-nodes.team.svc, URI:prism://c-1/node",
    );
    const again = await ensure(secrets, NOW + YEAR_MS);
    expect(again.made).toEqual([]);
    expect(again.operator).toEqual(operator);
  });

  test("of nodes and control plane hold no key of the authority", async () => {
    const secrets = new FakeSecrets();
    await ensure(secrets);
    const key = secrets.text("demo-ca", "tls.key");
    for (const name of ["demo-node-tls", "demo-operator-tls"]) {
      const values = Object.keys(secrets.secrets.get(name)?.data ?? {}).map((field) =>
        secrets.text(name, field),
      );
      expect(values).toHaveLength(3);
      expect(values.join("")).not.toContain(key);
    }
  });

  test.each([
    ["is damaged", (secrets: FakeSecrets) => secrets.change("demo-node-tls", { "tls.crt": "bm8=" }), 0],
    ["is about to run out", () => undefined, 3 * YEAR_MS - 30 * 86_400_000],
    ["was deleted", (secrets: FakeSecrets) => secrets.secrets.delete("demo-node-tls"), 0],
  ])("are issued anew by the same authority when one %s", async (_what, harm, afterMs) => {
    const secrets = new FakeSecrets();
    await ensure(secrets);
    const authority = secrets.secrets.get("demo-ca");
    harm(secrets);
    const { made } = await ensure(secrets, NOW + afterMs);
    expect(made.map(({ name }) => name)).toContain("demo-node-tls");
    expect(secrets.secrets.get("demo-ca")).toBe(authority);
    expect((await ensure(secrets, NOW + afterMs)).made).toEqual([]);
  });

  test("are not replaced when they are somebody else's", async () => {
    const secrets = new FakeSecrets();
    const metadata = { name: "demo-node-tls", namespace: "team" };
    secrets.put({ apiVersion: "v1", kind: "Secret", metadata, data: { "tls.crt": "bm8=" } });
    await expect(ensure(secrets)).rejects.toThrow(/demo-node-tls is not the operator's/);
  });

  test("are refused when the authority is another cluster's or damaged, and it is left as it is", async () => {
    const secrets = new FakeSecrets();
    await ensure(secrets);
    const authority = secrets.secrets.get("demo-ca");
    const other = ensureClusterCertificates(secrets.api, { ...DEMO, clusterId: "c-2" }, NOW);
    await expect(other).rejects.toThrow(/the authority of another cluster/);
    expect(secrets.secrets.get("demo-ca")).toBe(authority);
    secrets.change("demo-ca", { "tls.key": "bm8=" });
    await expect(ensure(secrets)).rejects.toThrow(/does not parse/);
  });

  test("are the same for two operators that make them at once", async () => {
    const secrets = new FakeSecrets();
    const rival = new FakeSecrets();
    const other = await ensure(rival);
    // Before this operator's first write the other one has written all of its own.
    secrets.beforeWrite = () => {
      if (secrets.secrets.has("demo-ca")) return;
      for (const secret of rival.secrets.values()) secrets.put(secret);
    };
    const mine = await ensure(secrets);
    expect(mine.made).toEqual([]);
    expect(mine.operator).toEqual(other.operator);
  });
});
