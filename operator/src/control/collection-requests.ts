/**
 * Collections made, changed and deleted over HTTP: nodes pass the request up, the object is written
 * here, and the answer goes down after the map that shows it.
 */
import { parseAcceptDataLoss } from "@prism/api/data-loss";
import { Problem } from "@prism/api/problem-code";
import type { CollectionAnswer, CollectionRequest } from "@prism/proto/gen/node";
import {
  HTTP_MANAGER,
  MANAGED_BY,
  planCreate,
  planDelete,
  planPatch,
  type CollectionPlan,
  type PresentCollection,
} from "../domain/collection-change.js";
import { toCollectionSpec } from "../domain/map-of-cluster.js";
import { StoreError, type Store } from "../ports/store.js";
import type { ClusterState } from "./cluster-state.js";
import type { DataLossRequests } from "./data-loss-requests.js";
import type { DeletedCollections } from "./deleted-collections.js";
import { steadyNowMs } from "./steady-clock.js";

export interface CollectionRequestsOptions {
  readonly store: Store;
  readonly state: ClusterState;
  readonly deleted: DeletedCollections;
  readonly clusterName: string;
  readonly dataLoss: DataLossRequests;
  /** Limit `limits.collections`. */
  readonly maxCollections: number;
  /** Resolves when the collection takes writes and every node was sent the map, or the time is over. */
  readonly whenUsable: (name: string, timeoutMs: number) => Promise<boolean>;
  /** Resolves when the records are gone and every node was sent the map, or the time is over. */
  readonly whenGone: (name: string, timeoutMs: number) => Promise<boolean>;
}

const USABLE_TIMEOUT_MS = 5000;
const MAX_ATTEMPTS = 8;
const EMPTY = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class CollectionRequests {
  readonly #options: CollectionRequestsOptions;

  constructor(options: CollectionRequestsOptions) {
    this.#options = options;
  }

  async answer(request: CollectionRequest): Promise<CollectionAnswer> {
    try {
      switch (request.action) {
        case "describeDataLoss":
          return answerOf("described", this.#options.dataLoss.describe(request.name));
        case "acceptDataLoss": {
          const wish = parseAcceptDataLoss(parseBody(request.specJson));
          return answerOf("accepted", await this.#options.dataLoss.accept(request.name, wish));
        }
        default:
          return await this.#attempt(request);
      }
    } catch (error) {
      return { result: "", specJson: EMPTY, error: toCallError(error) };
    }
  }

  async #attempt(request: CollectionRequest): Promise<CollectionAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#execute(request);
      } catch (error) {
        // Somebody else changed it in between: decide again from what is there now.
        if (error instanceof StoreError && error.failure === "nameTaken") {
          throw new Problem("nameTaken", error.detail, { cause: error });
        }
        if (!(error instanceof StoreError) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #execute(request: CollectionRequest): Promise<CollectionAnswer> {
    const { store, state, clusterName, whenUsable, whenGone } = this.#options;
    const { name } = request;
    const object = state.collections.get(name);
    const present = object && {
      spec: toCollectionSpec(object.spec),
      managedBy: object.metadata.labels[MANAGED_BY],
    };
    const plan = this.#plan(request, present);
    switch (plan.kind) {
      case "create":
        await store.create({
          kind: "PrismCollection",
          name,
          labels: { [MANAGED_BY]: HTTP_MANAGER },
          spec: { ...plan.spec, clusterRef: { name: clusterName } },
          status: { shardsCreated: false },
        });
        await whenUsable(name, USABLE_TIMEOUT_MS);
        return answerOf("created", plan.spec);
      case "unchanged":
        // The one who asked first may still wait for it, or be gone with an older control plane.
        if (object?.status.shardsCreated === false) await whenUsable(name, USABLE_TIMEOUT_MS);
        return answerOf("unchanged", plan.spec);
      case "update":
        if (!object) throw new Error("an update without an object");
        await store.update({ ...object, spec: { ...object.spec, ...plan.spec } });
        await whenUsable(name, USABLE_TIMEOUT_MS);
        return answerOf("updated", plan.spec);
      case "delete": {
        if (!object) throw new Error("a deletion without an object");
        const { uid, resourceVersion } = object.metadata;
        await this.#options.deleted.record(uid, steadyNowMs());
        await store.delete("PrismCollection", name, { uid, resourceVersion });
        await whenGone(name, USABLE_TIMEOUT_MS);
        return { result: "deleted", specJson: EMPTY };
      }
    }
  }

  #plan(request: CollectionRequest, present: PresentCollection | undefined): CollectionPlan {
    const { state, maxCollections } = this.#options;
    switch (request.action) {
      case "create": {
        const plan = planCreate(present, request.name, parseBody(request.specJson), state.settings);
        if (plan.kind === "create" && state.collections.size >= maxCollections) {
          throw new Problem("limitExceeded", `at most ${maxCollections} collections (limits.collections)`);
        }
        return plan;
      }
      case "patch":
        return planPatch(present, request.name, parseBody(request.specJson));
      case "delete":
        return planDelete(present, request.name);
      default:
        throw new Problem("notImplemented", `the control plane does not know ${request.action}`);
    }
  }
}

/** No record of its shards is left. */
export function isGone(state: ClusterState, name: string): boolean {
  if (state.collections.get(name)) return true;
  return ![...state.shards.values()].some((shard) => shard.spec.collection === name);
}

type Answered = "created" | "unchanged" | "updated" | "described" | "accepted";

function answerOf(result: Answered, spec: unknown): CollectionAnswer {
  return { result, specJson: encoder.encode(JSON.stringify(spec)) };
}

function parseBody(json: Uint8Array): unknown {
  try {
    return json.length === 0 ? {} : JSON.parse(decoder.decode(json));
  } catch (error) {
    throw new Problem("invalidJson", String(error), { cause: error });
  }
}

function toCallError(error: unknown): CollectionAnswer["error"] {
  const known = error instanceof Problem;
  return {
    code: known ? error.code : "internalError",
    detail: known ? error.detail : String(error),
    executed: known ? error.executed : "unknown",
    errorsJson: known ? encoder.encode(JSON.stringify(error.violations)) : EMPTY,
    primaryNode: "",
  };
}
