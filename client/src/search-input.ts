/** A search as a program writes it: everything that has a default may be left out. */
import type { Aggregation, Filter, SearchRequest } from "@prism/api/search";

export interface TextClauseInput {
  readonly query: string;
  /** Field names, or field name -> boost. */
  readonly fields: readonly string[] | Readonly<Record<string, number>>;
  readonly operator?: "or" | "and";
}

export interface VectorClauseInput {
  readonly field: string;
  readonly values: readonly number[];
  readonly candidates?: number;
}

export type QueryInput = { readonly weight?: number } & (
  { readonly text: TextClauseInput } | { readonly vector: VectorClauseInput }
);

export interface SearchInput {
  readonly queries?: readonly QueryInput[];
  readonly fusion?: Partial<SearchRequest["fusion"]>;
  readonly filter?: Filter;
  readonly aggregations?: Readonly<Record<string, Aggregation>>;
  readonly limit?: number;
  readonly offset?: number;
  readonly include?: readonly string[];
  readonly consistency?: Partial<SearchRequest["consistency"]>;
  readonly allowPartialResults?: boolean;
  readonly minSuccessfulShards?: number;
  readonly timeoutMs?: number;
  readonly explain?: boolean;
}
