/** What a request over HTTP makes of a collection. Errors are Problems: the client sees them. */
import {
  compareCollectionSpecs,
  growFields,
  parseCollectionPatch,
  parseCollectionSpec,
  type CollectionDefaults,
  type CollectionSpec,
} from "@prism/api/collection";
import { Problem } from "@prism/api/problem-code";

/** Label of the object: who may change it. */
export const MANAGED_BY = "managedBy";
export const HTTP_MANAGER = "prism-http";

export interface PresentCollection {
  readonly spec: CollectionSpec;
  readonly managedBy: string | undefined;
}

export type CollectionPlan =
  | { readonly kind: "create"; readonly spec: CollectionSpec }
  | { readonly kind: "unchanged"; readonly spec: CollectionSpec }
  | { readonly kind: "update"; readonly spec: CollectionSpec }
  | { readonly kind: "delete" };

/** @throws {Problem} invalidRequest, collectionDiffers. */
export function planCreate(
  present: PresentCollection | undefined,
  name: string,
  body: unknown,
  defaults: CollectionDefaults,
): CollectionPlan {
  const spec = parseCollectionSpec(body, defaults, { name });
  if (!present) return { kind: "create", spec };
  const paths = compareCollectionSpecs(present.spec, spec);
  if (paths.length === 0) return { kind: "unchanged", spec: present.spec };
  throw new Problem("collectionDiffers", `collection ${name} differs in ${paths.join(", ")}`, {
    violations: paths.map((pointer) => ({
      pointer,
      code: "collectionDiffers",
      detail: "differs from the collection that exists",
    })),
  });
}

/** @throws {Problem} collectionNotFound, managedElsewhere, invalidRequest, limitExceeded. */
export function planPatch(
  present: PresentCollection | undefined,
  name: string,
  body: unknown,
): CollectionPlan {
  const collection = ownedByHttp(present, name);
  const { spec, violations } = growFields(collection.spec, parseCollectionPatch(body));
  const [first] = violations;
  if (first) throw new Problem(first.code, `the patch of ${name} is refused`, { violations });
  const same = compareCollectionSpecs(collection.spec, spec).length === 0;
  return { kind: same ? "unchanged" : "update", spec };
}

/** @throws {Problem} collectionNotFound, managedElsewhere, deletionProtected. */
export function planDelete(present: PresentCollection | undefined, name: string): CollectionPlan {
  const collection = ownedByHttp(present, name);
  if (collection.spec.deletionProtection) {
    throw new Problem("deletionProtected", `collection ${name} has deletionProtection`);
  }
  return { kind: "delete" };
}

function ownedByHttp(present: PresentCollection | undefined, name: string): PresentCollection {
  if (!present) throw new Problem("collectionNotFound", `there is no collection ${name}`);
  if (present.managedBy !== HTTP_MANAGER) {
    throw new Problem(
      "managedElsewhere",
      `collection ${name} is managed by ${present.managedBy ?? "its file"}`,
    );
  }
  return present;
}
