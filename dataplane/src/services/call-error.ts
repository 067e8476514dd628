/** CallError on the wire <-> ShardProblem. */
import { isProblemCode, Problem, type Violation } from "@prism/api/problem-code";
import type { CallError } from "@prism/proto/gen/node";
import type { NodeId } from "../domain/cluster-map.js";
import { ShardProblem } from "./shard-calls.js";

const EMPTY = new Uint8Array(0);
const utf8 = new TextDecoder();

export function toCallError(error: unknown): CallError {
  if (!(error instanceof Problem)) {
    const detail = error instanceof Error ? error.message : String(error);
    return { code: "internalError", detail, executed: "unknown", errorsJson: EMPTY, primaryNode: "" };
  }
  return {
    code: error.code,
    detail: error.detail,
    executed: error.executed,
    errorsJson: error.violations.length === 0 ? EMPTY : Buffer.from(JSON.stringify(error.violations)),
    primaryNode: error instanceof ShardProblem ? (error.primaryNode ?? "") : "",
  };
}

/** What a shard call ended with, as a problem. */
export function toCallProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("internalError", "the shard call failed", { cause: error });
}

/** Also a refusal is a sign of life of the node that was called; these two are none. */
export function isAnswerOfNode({ code }: Problem): boolean {
  return code !== "timeout" && code !== "shardUnavailable";
}

/** A code this version does not know becomes internalError, its name kept in the detail. */
export function fromCallError(error: CallError): ShardProblem {
  const { code } = error;
  const known = isProblemCode(code);
  return new ShardProblem(known ? code : "internalError", known ? error.detail : `${code}: ${error.detail}`, {
    executed: error.executed === "no" ? "no" : "unknown",
    violations: parseViolations(error.errorsJson),
    primaryNode: error.primaryNode === "" ? undefined : (error.primaryNode as NodeId),
  });
}

function parseViolations(json: Uint8Array): Violation[] {
  if (json.length === 0) return [];
  try {
    return JSON.parse(utf8.decode(json)) as Violation[];
  } catch {
    // The error itself matters more than its list of places.
    return [];
  }
}
