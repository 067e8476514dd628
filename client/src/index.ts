/** The public face of @prism/client. */
export {
  PrismClient,
  type CollectionDefinition,
  type FieldInput,
  type PrismClientOptions,
} from "./prism-client.js";
export {
  CollectionClient,
  type CallOptions,
  type ReadOptions,
  type ScanOptions,
  type VerifyOptions,
  type WriteOptions,
} from "./collection-client.js";
export type { ReadConsistency } from "./read-consistency.js";
export type { BulkFailure, BulkOperation, BulkOptions, BulkProgress, BulkReport } from "./bulk-options.js";
export type {
  AggregationInput,
  CountInput,
  QueryInput,
  SearchInput,
  TextClauseInput,
  VectorClauseInput,
} from "./search-input.js";
export { PrismError, type ClientCode } from "./prism-error.js";
export { newOperationId } from "./operation-id.js";
