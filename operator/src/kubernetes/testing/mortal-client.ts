/**
 * An API client that dies behind a chosen write: the server has carried it out, its answer is lost, and from
 * then on the client reaches nobody. To the process around it that is the moment of a SIGKILL.
 */
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { KubeObject } from "@prism/kube-machinery/kube-object";
import type { Resource } from "@prism/kube-machinery/resource";
import type { ConfigMap, RawObject } from "../../adapters/kubernetes/prism-resources.js";
import type { RecordChange } from "../../domain/shard-record.js";

/** All that the operator writes beside what pods are made of, which has a test of its own. */
export type WriteKind =
  | RecordChange["kind"]
  | "createIdentity"
  | "noteVersions"
  | "takeLead"
  | "storeSettings"
  | "recordDeletion"
  | "giveUpHistory"
  | "createNode"
  | "identifyNode"
  | "createRecord"
  | "deleteRecord"
  | "createCollection"
  | "changeCollection"
  | "acceptCollection"
  | "markShardsCreated"
  | "deleteCollection"
  | "sayOfCollection"
  | "sayOfCluster";

type Verb = "create" | "replace" | "replaceStatus" | "applyStatus" | "delete";
const VERBS: readonly string[] = ["create", "replace", "replaceStatus", "applyStatus", "delete"];

export class MortalClient {
  readonly client: ApiClient;
  /** Every write that was carried out, in order. */
  readonly written: WriteKind[] = [];
  readonly #inner: ApiClient;
  #diesAfter: WriteKind | undefined;
  #isDead = false;
  #onDeath: () => void = () => undefined;

  constructor(inner: ApiClient) {
    this.#inner = inner;
    this.client = new Proxy(inner, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as unknown;
        if (typeof method !== "function") return method;
        if (name === "close") return method.bind(target) as unknown;
        const call = method.bind(target) as (...args: unknown[]) => Promise<unknown>;
        if (typeof name === "string" && VERBS.includes(name)) {
          return (resource: Resource, object: KubeObject, options: unknown) =>
            this.#write(name as Verb, resource, object, () => call(resource, object, options));
        }
        return (...args: unknown[]) => {
          if (this.#isDead) throw unreachable();
          return call(...args);
        };
      },
    });
  }

  /** Resolves when it has died. */
  dieAfter(kind: WriteKind): Promise<void> {
    this.#diesAfter = kind;
    return new Promise((resolve) => (this.#onDeath = resolve));
  }

  async #write(
    verb: Verb,
    resource: Resource,
    object: KubeObject,
    send: () => Promise<unknown>,
  ): Promise<unknown> {
    if (this.#isDead) throw unreachable();
    const { namespace, name } = object.metadata ?? object;
    const before =
      verb === "create" ? undefined : await this.#inner.get<RawObject>(resource, { namespace, name });
    const kind = kindOf(verb, resource, object, before);
    const answer = await send();
    if (this.#isDead) throw unreachable();
    if (kind !== undefined) this.written.push(kind);
    if (kind === undefined || kind !== this.#diesAfter) return answer;
    this.#isDead = true;
    this.#onDeath();
    throw unreachable();
  }
}

function unreachable(): ApiError {
  return new ApiError({ status: 0, reason: "Unreachable", message: "the process has ended" });
}

/** Undefined: what the machinery writes by itself. Throws on a write that nobody has named yet. */
function kindOf(
  verb: Verb,
  resource: Resource,
  after: RawObject,
  before: RawObject | undefined,
): WriteKind | undefined {
  switch (`${verb} ${resource.kind}`) {
    case "create Event":
      return undefined;
    case "create ConfigMap":
      return isOfRecords(after) ? "noteVersions" : "createIdentity";
    case "replace ConfigMap":
      return isOfRecords(after) ? "noteVersions" : identityChange(after, before);
    case "create PrismNode":
      return "createNode";
    case "replace PrismNode":
      return "identifyNode";
    case "create PrismShard":
      return "createRecord";
    case "replace PrismShard":
      return recordChange(after, before);
    case "delete PrismShard":
      return "deleteRecord";
    case "create PrismCollection":
      return "createCollection";
    case "replace PrismCollection":
      return "changeCollection";
    case "delete PrismCollection":
      return "deleteCollection";
    case "replaceStatus PrismCollection":
      return collectionStatusChange(after, before);
    case "applyStatus PrismCluster":
      return "sayOfCluster";
    default:
      throw new Error(`a write without a case: ${verb} ${resource.kind}`);
  }
}

function isOfRecords({ metadata }: RawObject): boolean {
  return metadata.name.endsWith("-records");
}

function identityChange(after: ConfigMap, before: ConfigMap | undefined): WriteKind {
  const differs = (key: string): boolean => after.data?.[key] !== before?.data?.[key];
  if (differs("leaderEpoch")) return "takeLead";
  if (differs("deleted-collections.json")) return "recordDeletion";
  if (differs("given-up-histories.json")) return "giveUpHistory";
  return "storeSettings";
}

function collectionStatusChange(after: RawObject, before: RawObject | undefined): WriteKind {
  const differs = (key: string): boolean => after.status?.[key] !== before?.status?.[key];
  if (differs("acceptedSpec")) return "acceptCollection";
  return differs("shardsCreated") ? "markShardsCreated" : "sayOfCollection";
}

interface Status {
  readonly term: number;
  readonly historyId: string;
  readonly inSync: readonly string[];
  readonly copies: readonly unknown[];
}

function recordChange(after: RawObject, before: RawObject | undefined): WriteKind {
  const [now, then] = [after.status, before?.status] as unknown as [Status, Status];
  if (now.historyId !== then.historyId) return "beginHistory";
  if (now.term > then.term) return "promote";
  if (now.copies.length > then.copies.length) return "addRecovering";
  if (now.copies.length < then.copies.length) return "removeCopy";
  if (now.inSync.length > then.inSync.length) return "addInSync";
  if (after.spec?.["bootstrap"] !== before?.spec?.["bootstrap"]) return "clearBootstrap";
  throw new Error(`a change of a record without a case: ${JSON.stringify([then, now])}`);
}
