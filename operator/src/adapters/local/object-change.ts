/** What create, update and delete mean for one object; both local stores are these rules around a map. */
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import {
  StoreError,
  type ApiObject,
  type DeletePrecondition,
  type Kind,
  type NewObject,
} from "../../ports/store.js";

const API_VERSION = "prism.dev/v1alpha1";

export function created<K extends Kind>(
  present: ApiObject | undefined,
  object: NewObject<K>,
  version: number,
): ApiObject<K> {
  if (present) throw new StoreError("alreadyExists", `${object.kind} ${object.name}`);
  return {
    apiVersion: API_VERSION,
    kind: object.kind,
    metadata: {
      name: object.name,
      uid: randomUUID(),
      resourceVersion: String(version),
      generation: 1,
      labels: object.labels ?? {},
      creationTimestamp: new Date().toISOString(),
    },
    spec: object.spec,
    status: object.status,
  };
}

export function updated<K extends Kind>(
  present: ApiObject<K> | undefined,
  object: ApiObject<K>,
  version: number,
): ApiObject<K> {
  const { name, uid, resourceVersion, labels } = object.metadata;
  const current = matching(present, object.kind, name, { uid, resourceVersion });
  const specChanged = !isDeepStrictEqual(current.spec, object.spec);
  return {
    ...current,
    metadata: {
      ...current.metadata,
      labels,
      resourceVersion: String(version),
      generation: current.metadata.generation + (specChanged ? 1 : 0),
    },
    spec: object.spec,
    status: object.status,
  };
}

/** The object, if it is the one that was meant. Throws StoreError otherwise. */
export function matching<K extends Kind>(
  present: ApiObject<K> | undefined,
  kind: K,
  name: string,
  precondition: DeletePrecondition,
): ApiObject<K> {
  if (!present) throw new StoreError("notFound", `${kind} ${name}`);
  if (present.metadata.uid !== precondition.uid) {
    throw new StoreError("conflict", `${kind} ${name} was made again since it was read`);
  }
  const expected = precondition.resourceVersion;
  if (expected !== undefined && present.metadata.resourceVersion !== expected) {
    throw new StoreError("conflict", `${kind} ${name} changed since it was read`);
  }
  return present;
}
