/** The forced reset of a shard, asked of the control plane, which alone knows what is left. */
import {
  dataLossAcceptedSchema,
  dataLossSchema,
  type DataLoss,
  type DataLossAccepted,
} from "@prism/api/data-loss";
import { Problem } from "@prism/api/problem-code";
import type { ClusterDirectory } from "./cluster-directory.js";
import type { ControlPlane } from "./control-plane.js";
import type { Waiting } from "./documents.js";

export class DataLossService {
  readonly #directory: ClusterDirectory;
  readonly #controlPlane: ControlPlane;

  constructor(directory: ClusterDirectory, controlPlane: ControlPlane) {
    this.#directory = directory;
    this.#controlPlane = controlPlane;
  }

  /** Throws Problem `collectionNotFound`, `notFound` for a shard it does not have, `controlPlaneUnavailable`. */
  async describe(name: string, shard: string, waiting: Waiting): Promise<DataLoss> {
    const { spec } = await this.#request("describeDataLoss", name, shard, undefined, waiting);
    return dataLossSchema.parse(spec);
  }

  /** As describe; and `dataLossRefused`, `invalidRequest` when the shard's name is not confirmed. */
  async accept(name: string, shard: string, body: unknown, waiting: Waiting): Promise<DataLossAccepted> {
    const { spec } = await this.#request("acceptDataLoss", name, shard, body, waiting);
    return dataLossAcceptedSchema.parse(spec);
  }

  #request(
    action: "describeDataLoss" | "acceptDataLoss",
    name: string,
    shard: string,
    body: unknown,
    { deadline }: Waiting,
  ) {
    const { shards } = this.#directory.collection(name);
    if (!/^\d{1,4}$/.test(shard) || Number(shard) >= shards.length) {
      throw new Problem("notFound", `${name} has the shards 0 to ${shards.length - 1}`);
    }
    const timeoutMs = Math.max(1, Math.ceil(deadline.leftMs));
    return this.#controlPlane.requestCollection(action, `${name}/${Number(shard)}`, body, { timeoutMs });
  }
}
