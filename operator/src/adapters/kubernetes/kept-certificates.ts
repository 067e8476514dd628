/** The certificates of a cluster that this process leads: what becomes of their Secrets meanwhile is set right. */
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { TlsCredentials } from "@prism/proto/internal-credentials";
import type { ClusterRef } from "../../ports/cluster-workloads.js";
import { ensureClusterCertificates, type ClusterCertificates } from "./cluster-certificates.js";

export class KeptCertificates {
  /** Of the control plane; connections from now on are made with what is newest. */
  readonly credentials: TlsCredentials;
  readonly #api: ApiClient;
  readonly #cluster: ClusterRef;
  #present: ClusterCertificates;

  /** @throws {CertificateError} */
  static async open(api: ApiClient, cluster: ClusterRef): Promise<KeptCertificates> {
    return new KeptCertificates(api, cluster, await ensureClusterCertificates(api, cluster));
  }

  private constructor(api: ApiClient, cluster: ClusterRef, present: ClusterCertificates) {
    this.#api = api;
    this.#cluster = cluster;
    this.#present = present;
    this.credentials = new TlsCredentials(present.operator);
  }

  get made(): ClusterCertificates["made"] {
    return this.#present.made;
  }

  /** Resolves with what was made, as `ensureClusterCertificates` does. @throws {CertificateError} */
  async look(): Promise<ClusterCertificates["made"]> {
    const { authority } = this.#present;
    this.#present = await ensureClusterCertificates(
      this.#api,
      this.#cluster,
      Date.now(),
      undefined,
      authority,
    );
    this.credentials.replace(this.#present.operator);
    return this.#present.made;
  }
}
