/**
 * What a write does to the present version of its document: the log entry it becomes and the answer
 * it gets, or why it is refused. Runs on the primary alone; the other copies take the entry.
 */
import { checkDocument } from "@prism/api/check-document";
import type { CollectionSpec } from "@prism/api/collection";
import { checkDocumentId, checkOperationId } from "@prism/api/document";
import { describeLimit, type Limits } from "@prism/api/limits";
import { Problem, type Violation } from "@prism/api/problem-code";
import { encodeJson, encodeRecord, recordToDocument, type JsonObject } from "./document-record.js";
import { mergePatch } from "./merge-patch.js";
import type { LogEntryBody, WriteResult } from "./replication/log-entry.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

export interface WriteCommand {
  readonly operationId: string;
  readonly action: "put" | "create" | "patch" | "delete";
  readonly id: string;
  /** UTF-8 JSON: the document, or the merge patch. */
  readonly document: Uint8Array;
  /** "<term>.<seq>" or "". */
  readonly ifMatch: string;
  readonly ifNoneMatch: boolean;
}

export interface DocumentVersion {
  /** "<term>.<seq>"; undefined when the entry that writes it has no number yet, so no condition can name it. */
  readonly version: string | undefined;
  readonly record: Uint8Array;
}

export interface WriteContext {
  readonly spec: CollectionSpec;
  readonly vectorFields: ReadonlySet<string>;
  readonly limits: Limits;
}

export function writeContextOf(spec: CollectionSpec, limits: Limits): WriteContext {
  const vectors = spec.fields.filter((field) => field.type === "vector");
  return { spec, limits, vectorFields: new Set(vectors.map(({ name }) => name)) };
}

export interface EvaluatedWrite {
  readonly body: LogEntryBody;
  readonly result: WriteResult;
}

/** @throws {Problem} and nothing is to be executed. */
export function evaluateWrite(
  command: WriteCommand,
  current: DocumentVersion | undefined,
  context: WriteContext,
): EvaluatedWrite {
  checkNames(command, context.limits);
  checkConditions(command, current);
  const { id } = command;
  switch (command.action) {
    case "delete":
      return current === undefined
        ? { body: { kind: "unchanged", id }, result: "unchanged" }
        : { body: { kind: "delete", id }, result: "deleted" };
    case "put":
    case "create": {
      const body = indexed(command, parseObject(command.document, "document", context.limits), context);
      return { body, result: current === undefined ? "created" : "updated" };
    }
    case "patch": {
      if (current === undefined) throw new Problem("documentNotFound", `there is no document ${quoted(id)}`);
      return { body: patched(command, current, context), result: "updated" };
    }
  }
}

function checkNames(command: WriteCommand, limits: Limits): void {
  const violations = [
    checkDocumentId(command.id, limits, "/id"),
    checkOperationId(command.operationId, limits, "/opId"),
  ].filter((violation) => violation !== undefined);
  if (violations.length > 0) refuse(violations);
}

function checkConditions(command: WriteCommand, current: DocumentVersion | undefined): void {
  const mustBeNew = command.ifNoneMatch || command.action === "create";
  if (mustBeNew && current !== undefined) {
    throw new Problem("documentExists", `document ${quoted(command.id)} exists${at(current)}`);
  }
  if (command.ifMatch === "") return;
  if (current === undefined) {
    throw new Problem("versionConflict", `document ${quoted(command.id)} does not exist`);
  }
  if (current.version !== command.ifMatch) {
    const detail = `document ${quoted(command.id)} is${at(current) || " newer"}, not at ${command.ifMatch}`;
    throw new Problem("versionConflict", detail);
  }
}

function at(current: DocumentVersion): string {
  return current.version === undefined ? "" : ` at version ${current.version}`;
}

function quoted(id: string): string {
  return JSON.stringify(id.length > 64 ? `${id.slice(0, 64)}...` : id);
}

/** Patches are held to the same rules as the document they make, so a patch can't leave an invalid one. */
function patched(command: WriteCommand, current: DocumentVersion, context: WriteContext): LogEntryBody {
  const before = recordToDocument(current.record);
  const patch = parseObject(command.document, "patch", context.limits);
  const after = mergePatch(before, patch) as JsonObject;
  const key = context.spec.shardKey;
  if (key !== undefined && JSON.stringify(before[key]) !== JSON.stringify(after[key])) {
    const detail = `${key} is the shard key and can't change; delete the document and put it anew`;
    refuse([{ pointer: `/${key}`, code: "invalidRequest", detail }]);
  }
  return indexed(command, after, context);
}

function indexed(command: WriteCommand, document: JsonObject, context: WriteContext): LogEntryBody {
  const { spec, limits, vectorFields } = context;
  const checked = checkDocument(document, spec, limits, command.id);
  if (!checked.ok) refuse(checked.violations);
  return { kind: "index", id: command.id, record: recordOf(command, document, vectorFields) };
}

function recordOf(
  { action, document: bytes }: WriteCommand,
  document: JsonObject,
  vectorFields: ReadonlySet<string>,
): Uint8Array {
  const isWhole = action !== "patch" && !Object.hasOwn(document, "id");
  if (isWhole && !Object.keys(document).some((name) => vectorFields.has(name))) return encodeJson(bytes);
  // The id is the key; kept in the fields as well it could only come to differ.
  const { id: _id, ...fields } = document;
  return encodeRecord(fields, vectorFields);
}

function refuse(violations: readonly Violation[]): never {
  const first = violations[0]!;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more, see errors)` : "";
  throw new Problem(first.code, `${first.pointer}: ${first.detail}${more}`, { violations });
}

function parseObject(bytes: Uint8Array, what: string, limits: Limits): JsonObject {
  const value = parseJson(bytes, what);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Problem("invalidRequest", `the ${what} must be a JSON object`);
  }
  // What is accepted here must be read by any thread that gets it, however small its stack.
  if (isNestedDeeper(value, limits.documentDepth)) {
    const detail = `the ${what} is nested too deep: ${describeLimit("documentDepth", limits)} levels`;
    throw new Problem("limitExceeded", detail);
  }
  return value as JsonObject;
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new Problem("invalidJson", `the ${what} is not UTF-8 JSON: ${(error as Error).message}`);
  }
}

/** Stops at the limit, so that it is no deeper itself. */
function isNestedDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return members.some((member) => isNestedDeeper(member, levels - 1));
}
