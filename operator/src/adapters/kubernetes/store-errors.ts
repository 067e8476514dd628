import { ApiError } from "@prism/kube-machinery/api-error";
import { StoreError } from "../../ports/store.js";

/** An answer of the API server in the words of the Store; anything else stays what it is. */
export function toStoreError(error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  if (error.isNotFound) return new StoreError("notFound", error.message);
  if (error.isAlreadyExists) return new StoreError("alreadyExists", error.message);
  if (error.isConflict) return new StoreError("conflict", error.message);
  return error;
}
