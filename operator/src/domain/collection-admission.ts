/**
 * Which PrismCollections of a cluster count, and as what. People write these objects by any means: an object
 * that is not valid, takes a name that is taken, or was changed in a way that a collection can't change, is
 * refused with a reason, and what was accepted of it before goes on unchanged.
 */
import {
  compareCollectionSpecs,
  growFields,
  type CollectionDefaults,
  type CollectionSpec,
} from "@prism/api/collection";
import { shardObjectName } from "@prism/api/object-names";
import { Problem } from "@prism/api/problem-code";

/** An object as it is written, and what was accepted of it before. */
export interface CollectionClaim {
  readonly uid: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** The HTTP name that it asks for. */
  readonly name: string;
  /** All defaults filled in, those of the cluster too. @throws {Problem} when it is not valid. */
  readonly settle: (defaults: CollectionDefaults) => CollectionSpec;
  readonly accepted: CollectionSpec | undefined;
}

export type CollectionVerdict =
  | { readonly kind: "accepted"; readonly spec: CollectionSpec }
  | {
      readonly kind: "refused";
      readonly reason: "SpecInvalid" | "NameTaken" | "ChangeRefused";
      readonly message: string;
    };

/** By uid. */
export function judgeCollections(
  claims: readonly CollectionClaim[],
  defaults: CollectionDefaults,
): ReadonlyMap<string, CollectionVerdict> {
  const verdicts = new Map<string, CollectionVerdict>();
  const holders = new Map<string, CollectionClaim>();
  /** By what the records of its shards are called. */
  const records = new Map<string, string>();
  for (const claim of [...claims].sort(byPrecedence)) {
    const verdict = judge(claim, defaults);
    const name = claim.accepted?.name ?? claim.name;
    const holder = holders.get(name);
    const holds = verdict.kind === "accepted" || claim.accepted !== undefined;
    if (holds && holder !== undefined) {
      const message = `the name ${name} belongs to an object that was there before`;
      verdicts.set(claim.uid, { kind: "refused", reason: "NameTaken", message });
      continue;
    }
    const recordName = shardObjectName("", name, 0);
    const other = records.get(recordName);
    if (holds && other !== undefined) {
      const message = `records of its shards would be called as those of ${other}: give it another name`;
      verdicts.set(claim.uid, { kind: "refused", reason: "NameTaken", message });
      continue;
    }
    if (holds) {
      holders.set(name, claim);
      records.set(recordName, name);
    }
    verdicts.set(claim.uid, verdict);
  }
  return verdicts;
}

/** Who was accepted keeps the name; among the others the older one gets it. */
function byPrecedence(left: CollectionClaim, right: CollectionClaim): number {
  const accepted = Number(right.accepted !== undefined) - Number(left.accepted !== undefined);
  if (accepted !== 0) return accepted;
  if (left.createdAt !== right.createdAt) return left.createdAt < right.createdAt ? -1 : 1;
  return left.uid < right.uid ? -1 : 1;
}

function judge(claim: CollectionClaim, defaults: CollectionDefaults): CollectionVerdict {
  // What was once taken from the cluster stays as it was taken: the cluster's own settings may have changed.
  const kept = claim.accepted === undefined ? defaults : claim.accepted;
  try {
    const spec = claim.settle(kept);
    return claim.accepted === undefined ? { kind: "accepted", spec } : judgeChange(claim.accepted, spec);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const details = error.violations.map(({ pointer, detail }) => `${pointer}: ${detail}`);
    const message = details.length === 0 ? error.detail : details.join("; ");
    return { kind: "refused", reason: "SpecInvalid", message };
  }
}

/** The same changes as over HTTP: fields are added, and the protection is set. */
function judgeChange(accepted: CollectionSpec, wanted: CollectionSpec): CollectionVerdict {
  const { fields, deletionProtection } = wanted;
  const { spec, violations } = growFields(accepted, { fields, deletionProtection });
  const details = violations.map(({ pointer, detail }) => `${pointer} ${detail}`);
  if (details.length === 0) {
    const paths = compareCollectionSpecs(spec, wanted);
    details.push(...paths.map((path) => `${path} cannot be changed; only fields can be added`));
  }
  if (details.length > 0) return { kind: "refused", reason: "ChangeRefused", message: details.join("; ") };
  return { kind: "accepted", spec };
}
