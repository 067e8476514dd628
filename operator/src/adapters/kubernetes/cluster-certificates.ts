/**
 * The Secrets by which the processes of a cluster know each other. Each is made once, and again only when it
 * can't be used any more: what uses it, uses it until then.
 *
 *   <cluster>-ca            the authority's key, for the operator alone; outlives the PrismCluster, as its volumes do
 *   <cluster>-node-tls      the certificate all nodes share, mounted into their pods
 *   <cluster>-operator-tls  the certificate of the control plane
 */
import { randomBytes, X509Certificate } from "node:crypto";
import { clusterObjectNames } from "@prism/api/object-names";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { KubeObject, OwnerReference, Stored } from "@prism/kube-machinery/kube-object";
import type { TlsMaterial } from "@prism/proto/internal-credentials";
import type { ClusterRef } from "../../ports/cluster-workloads.js";
import { objectLabels, ownerReference } from "../../resources/owned-object.js";
import {
  authorityFault,
  issueLeaf,
  leafFault,
  makeAuthority,
  newPrivateKey,
  type Authority,
  type KeySource,
  type LeafRequest,
} from "../x509/cluster-authority.js";
import { SECRETS } from "./prism-resources.js";

/** Several tries: another operator may write the same Secrets. */
const MOST_ATTEMPTS = 5;
const MANAGED_BY = "app.kubernetes.io/managed-by";

interface Secret extends KubeObject {
  readonly type: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface ClusterCertificates {
  /** For TlsCredentials of the control plane. */
  readonly operator: TlsMaterial;
  readonly authority: Authority;
  /** Of the certificate that runs out first. */
  readonly expiresAt: Date;
  /** Names of the Secrets that were made or issued anew now, each with the reason. */
  readonly made: readonly { readonly name: string; readonly reason: string }[];
}

/** A Secret of the cluster can't be used and is not the operator's to replace. The message says what to do. */
export class CertificateError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CertificateError";
  }
}

const RANDOM_KEYS: KeySource = { privateKey: newPrivateKey, serial: () => randomBytes(16) };

/**
 * Makes what is missing, and issues anew what has run out. `known` is the authority that the cluster's processes go by
 * already: what somebody does to its Secret is set back, for another one would part them.
 * @throws {CertificateError}
 * @throws {ApiError} of the API server.
 */
export async function ensureClusterCertificates(
  api: ApiClient,
  cluster: ClusterRef,
  nowMs: number = Date.now(),
  keys: KeySource = RANDOM_KEYS,
  known?: Authority,
): Promise<ClusterCertificates> {
  const writer = new SecretWriter(api, cluster, nowMs, keys);
  const authority = await writer.authority(known);
  const { nodesService, nodeTlsSecret, operatorTlsSecret } = clusterObjectNames(cluster.name);
  const node = await writer.leaf(nodeTlsSecret, authority, {
    clusterId: cluster.clusterId,
    role: "node",
    dnsNames: [`*.${nodesService}.${cluster.namespace}.svc`],
  });
  const operator = await writer.leaf(operatorTlsSecret, authority, {
    clusterId: cluster.clusterId,
    role: "operator",
    dnsNames: [],
  });
  const ends = [node, operator].map(({ certificate }) =>
    Date.parse(new X509Certificate(certificate).validTo),
  );
  return { operator, authority, expiresAt: new Date(Math.min(...ends)), made: writer.made };
}

class SecretWriter {
  readonly made: { name: string; reason: string }[] = [];
  readonly #api: ApiClient;
  readonly #cluster: ClusterRef;
  readonly #nowMs: number;
  readonly #keys: KeySource;

  constructor(api: ApiClient, cluster: ClusterRef, nowMs: number, keys: KeySource) {
    this.#api = api;
    this.#cluster = cluster;
    this.#nowMs = nowMs;
    this.#keys = keys;
  }

  /** Never replaced: every certificate of the cluster hangs on it. */
  async authority(known: Authority | undefined): Promise<Authority> {
    const { namespace, clusterId } = this.#cluster;
    const name = clusterObjectNames(this.#cluster.name).caSecret;
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const present = await this.#read(name);
      if (present !== undefined) {
        const authority = { certificate: textOf(present, "tls.crt"), key: textOf(present, "tls.key") };
        if (known) {
          const isKnown = authority.certificate === known.certificate && authority.key === known.key;
          if (isKnown || (await this.#replace(present, secretOf(known), "changed"))) return known;
          continue;
        }
        const fault = authorityFault(authority, clusterId, this.#nowMs);
        if (fault === undefined) return authority;
        throw new CertificateError(
          `Secret ${namespace}/${name} can't be the authority of this cluster: ${fault}. Restore it, or delete ` +
            `it to let a new authority be made; connections between nodes then pause until all have the new one.`,
        );
      }
      const authority = known ?? makeAuthority(clusterId, this.#nowMs, this.#keys);
      if (await this.#create(name, secretOf(authority), [])) return authority;
    }
    throw contended(name);
  }

  async leaf(name: string, authority: Authority, request: LeafRequest): Promise<TlsMaterial> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const present = await this.#read(name);
      const fault = present && leafFault(materialOf(present), authority, request, this.#nowMs);
      if (present !== undefined && fault === undefined) return materialOf(present);
      if (present !== undefined && !this.#isOurs(present)) {
        throw new CertificateError(
          `Secret ${this.#cluster.namespace}/${name} is not the operator's and can't be used: ${fault}. Delete or rename it.`,
        );
      }
      const issued = issueLeaf(authority, request, this.#nowMs, this.#keys);
      const done =
        present === undefined
          ? await this.#create(name, issued, [ownerReference(this.#cluster)])
          : await this.#replace(present, issued, fault ?? "");
      if (done) return issued;
    }
    throw contended(name);
  }

  async #read(name: string): Promise<Stored<Secret> | undefined> {
    return await this.#api.get<Secret>(SECRETS, { namespace: this.#cluster.namespace, name });
  }

  /** False when another one was made meanwhile. */
  async #create(name: string, material: TlsMaterial, owners: readonly OwnerReference[]): Promise<boolean> {
    const { namespace } = this.#cluster;
    const secret: Secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name,
        namespace,
        labels: objectLabels(this.#cluster.name),
        ...(owners.length > 0 && { ownerReferences: owners }),
      },
      type: "kubernetes.io/tls",
      data: dataOf(material),
    };
    return await this.#unlessOvertaken(name, "missing", () => this.#api.create(SECRETS, secret));
  }

  /** False when it was changed meanwhile. */
  async #replace(present: Stored<Secret>, material: TlsMaterial, fault: string): Promise<boolean> {
    const replaced = { ...present, data: { ...present.data, ...dataOf(material) } };
    return await this.#unlessOvertaken(present.metadata.name, fault, () =>
      this.#api.replace(SECRETS, replaced),
    );
  }

  async #unlessOvertaken(name: string, reason: string, write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      this.made.push({ name, reason });
      return true;
    } catch (error) {
      if (error instanceof ApiError && (error.isConflict || error.isAlreadyExists)) return false;
      throw error;
    }
  }

  #isOurs(secret: Stored<Secret>): boolean {
    return secret.metadata.labels?.[MANAGED_BY] === objectLabels(this.#cluster.name)[MANAGED_BY];
  }
}

function secretOf({ certificate, key }: Authority): TlsMaterial {
  return { certificate, key, authorities: certificate };
}

function dataOf({ certificate, key, authorities }: TlsMaterial): Record<string, string> {
  return { "tls.crt": base64(certificate), "tls.key": base64(key), "ca.crt": base64(authorities) };
}

function materialOf(secret: Secret): TlsMaterial {
  return {
    certificate: textOf(secret, "tls.crt"),
    key: textOf(secret, "tls.key"),
    authorities: textOf(secret, "ca.crt"),
  };
}

function textOf(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? "", "base64").toString("utf8");
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function contended(name: string): CertificateError {
  return new CertificateError(`Secret ${name} keeps being changed by somebody else`);
}
