/** A write on the wire -> in the domain. */
import { Problem } from "@prism/api/problem-code";
import { WriteAction } from "@prism/proto/frame-kind";
import type { WriteItem } from "@prism/proto/gen/node";
import type { WriteCommand } from "../../domain/evaluate-write.js";

/** @throws {Problem} on an action that this version does not know. */
export function toWriteCommand(item: WriteItem): WriteCommand {
  return { ...item, action: toAction(item.action) };
}

function toAction(action: number): WriteCommand["action"] {
  switch (action) {
    case WriteAction.put:
      return "put";
    case WriteAction.create:
      return "create";
    case WriteAction.patch:
      return "patch";
    case WriteAction.delete:
      return "delete";
    default:
      throw new Problem("invalidRequest", `write action ${action} is unknown to this node`);
  }
}
