/** What a filter's leaves are made of, told apart by their keys. */
import type { Filter, FilterValue } from "../../domain/shard-query.js";

export interface RangeBounds {
  readonly gt?: number | string;
  readonly gte?: number | string;
  readonly lt?: number | string;
  readonly lte?: number | string;
}

/** A test of one field's values. `exists: false` is none: it is the absence of `exists: true`. */
export type ValueTest =
  | { readonly field: string; readonly equals: FilterValue }
  | { readonly field: string; readonly in: readonly FilterValue[] }
  | { readonly field: string; readonly exists: true }
  | ({ readonly field: string } & RangeBounds);

export type FilterNode =
  | { readonly kind: "and" | "or"; readonly parts: readonly Filter[] }
  | { readonly kind: "not"; readonly part: Filter }
  | { readonly kind: "test"; readonly test: ValueTest };

export function toFilterNode(filter: Filter): FilterNode {
  if ("and" in filter) return { kind: "and", parts: filter.and };
  if ("or" in filter) return { kind: "or", parts: filter.or };
  if ("not" in filter) return { kind: "not", part: filter.not };
  if ("exists" in filter) {
    const test = { field: filter.field, exists: true } as const;
    return filter.exists ? { kind: "test", test } : { kind: "not", part: test };
  }
  return { kind: "test", test: filter };
}
