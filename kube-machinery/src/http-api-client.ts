import type {
  ApiClient,
  ApplyOptions,
  DeleteOptions,
  EvictOptions,
  ListOptions,
  ObjectPage,
  Patch,
  PatchOptions,
  RequestOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./api-client.js";
import { ApiError } from "./api-error.js";
import type { KubeConfig } from "./kube-config.js";
import type { KubeObject, ObjectName, Stored } from "./kube-object.js";
import { apiVersionOf, collectionPath, objectPath, type Resource, type Subresource } from "./resource.js";
import { Transport, type HttpRequest, type TransportOptions } from "./transport.js";
import { watchEvents } from "./watch-stream.js";

const PODS: Resource = { group: "", version: "v1", kind: "Pod", plural: "pods", namespaced: true };

const LIST_TIMEOUT_MS = 30_000;

const PATCH_TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
} as const;

/** The API client of a process: one for all its resources, since it holds the connections. */
export class HttpApiClient implements ApiClient {
  readonly #transport: Transport;

  constructor(config: KubeConfig, options: TransportOptions = {}) {
    this.#transport = new Transport(config, options);
  }

  async get<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    options: RequestOptions = {},
  ): Promise<Stored<T> | undefined> {
    try {
      return await this.#object<T>({ ...options, method: "GET", path: objectPath(resource, name) });
    } catch (error) {
      // That a kind is not installed does not say that its object is gone.
      if (error instanceof ApiError && error.isNotFound && error.objectName === name.name) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(resource: Resource, options: ListOptions = {}): Promise<ObjectPage<T>> {
    const { namespace, labelSelector, fieldSelector, limit, resourceVersion, signal } = options;
    const { timeoutMs = LIST_TIMEOUT_MS } = options;
    const text = await this.#transport.request({
      method: "GET",
      path: collectionPath(resource, namespace),
      query: { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion },
      signal,
      timeoutMs,
    });
    const list = parse(text) as {
      items: T[] | null;
      metadata: { resourceVersion: string; continue?: string };
    };
    // Items of a list do not carry their kind.
    const apiVersion = apiVersionOf(resource);
    const items = (list.items ?? []).map(
      (item) => ({ ...item, apiVersion, kind: resource.kind }) as unknown as Stored<T>,
    );
    return {
      items,
      resourceVersion: list.metadata.resourceVersion,
      nextPage: list.metadata.continue || undefined,
    };
  }

  create<T extends KubeObject>(
    resource: Resource,
    object: T,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    const path = collectionPath(resource, namespaceOf(resource, object));
    return this.#object<T>({ ...options, method: "POST", path, query: writeQuery(options), body: object });
  }

  replace<T extends KubeObject>(
    resource: Resource,
    object: Stored<T>,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    return this.#replace(resource, object, undefined, options);
  }

  replaceStatus<T extends KubeObject>(
    resource: Resource,
    object: Stored<T>,
    options: WriteOptions = {},
  ): Promise<Stored<T>> {
    return this.#replace(resource, object, "status", options);
  }

  apply<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<Stored<T>> {
    return this.#apply(resource, object, undefined, options);
  }

  applyStatus<T extends KubeObject>(
    resource: Resource,
    object: T,
    options: ApplyOptions,
  ): Promise<Stored<T>> {
    return this.#apply(resource, object, "status", options);
  }

  patch<T extends KubeObject>(
    resource: Resource,
    name: ObjectName,
    patch: Patch,
    options: PatchOptions = {},
  ): Promise<Stored<T>> {
    const { subresource, signal, timeoutMs } = options;
    return this.#object<T>({
      method: "PATCH",
      path: objectPath(resource, name, subresource),
      query: writeQuery(options),
      body: patch.type === "json" ? patch.operations : patch.body,
      contentType: PATCH_TYPES[patch.type],
      signal,
      timeoutMs,
    });
  }

  async delete(resource: Resource, name: ObjectName, options: DeleteOptions): Promise<void> {
    const { preconditions, propagationPolicy, gracePeriodSeconds, signal, timeoutMs } = options;
    await this.#transport.request({
      method: "DELETE",
      path: objectPath(resource, name),
      body: {
        kind: "DeleteOptions",
        apiVersion: "v1",
        preconditions,
        propagationPolicy,
        gracePeriodSeconds,
      },
      signal,
      timeoutMs,
    });
  }

  async *watch<T extends KubeObject>(
    resource: Resource,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>> {
    const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = options;
    const chunks = this.#transport.stream(
      {
        method: "GET",
        path: collectionPath(resource, namespace),
        query: {
          watch: true,
          allowWatchBookmarks: true,
          labelSelector,
          fieldSelector,
          resourceVersion,
          timeoutSeconds,
        },
        signal: options.signal,
      },
      options.inactivityTimeoutMs,
    );
    yield* watchEvents<T>(chunks);
  }

  async evict(pod: Required<ObjectName>, options: EvictOptions): Promise<void> {
    const { preconditions, gracePeriodSeconds, signal, timeoutMs } = options;
    await this.#transport.request({
      method: "POST",
      path: objectPath(PODS, pod, "eviction"),
      body: {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: pod,
        deleteOptions: { preconditions, gracePeriodSeconds },
      },
      signal,
      timeoutMs,
      waitsOut429: false,
    });
  }

  getText(path: string, options: RequestOptions = {}): Promise<string> {
    return this.#transport.request({ ...options, method: "GET", path });
  }

  close(): Promise<void> {
    return this.#transport.close();
  }

  #replace<T extends KubeObject>(
    resource: Resource,
    object: Stored<T>,
    subresource: Subresource | undefined,
    options: WriteOptions,
  ): Promise<Stored<T>> {
    // Without it the server takes the write as "whatever is there".
    if (!object.metadata.resourceVersion)
      throw new TypeError(
        `${object.kind} ${object.metadata.name} cannot be replaced without resourceVersion`,
      );
    return this.#object<T>({
      ...options,
      method: "PUT",
      path: objectPath(resource, object.metadata, subresource),
      query: writeQuery(options),
      body: object,
    });
  }

  #apply<T extends KubeObject>(
    resource: Resource,
    object: T,
    subresource: Subresource | undefined,
    options: ApplyOptions,
  ): Promise<Stored<T>> {
    const { force, signal, timeoutMs } = options;
    return this.#object<T>({
      method: "PATCH",
      path: objectPath(resource, object.metadata, subresource),
      query: { ...writeQuery(options), force },
      body: object,
      contentType: "application/apply-patch+yaml",
      signal,
      timeoutMs,
    });
  }

  async #object<T extends KubeObject>(request: HttpRequest): Promise<Stored<T>> {
    return parse(await this.#transport.request(request)) as Stored<T>;
  }
}

function namespaceOf(resource: Resource, { metadata }: KubeObject): string | undefined {
  if (resource.namespaced && !metadata.namespace)
    throw new TypeError(`${resource.kind} ${metadata.name} needs a namespace`);
  return metadata.namespace;
}

function writeQuery({ fieldManager, dryRun }: WriteOptions): NonNullable<HttpRequest["query"]> {
  return { fieldManager, dryRun: dryRun ? "All" : undefined };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(
      {
        status: 0,
        reason: "Unreachable",
        message: `the API server's answer is no JSON: ${text.slice(0, 200)}`,
      },
      { cause: error },
    );
  }
}
