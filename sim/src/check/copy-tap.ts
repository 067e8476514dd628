/** Shows every step of every replication state machine of this real process to one listener. */
import type { CopyEffect, CopyEvent } from "@prism/dataplane/domain/replication/event";
import { ShardCopy } from "@prism/dataplane/domain/replication/shard-copy";

export type StepListener = (machine: ShardCopy, event: CopyEvent, effects: readonly CopyEffect[]) => void;

type Step = (this: ShardCopy, event: CopyEvent) => CopyEffect[];

let listener: StepListener | undefined;
let installed = false;

export function listenToSteps(to: StepListener | undefined): void {
  listener = to;
  if (installed) return;
  installed = true;
  const step = Object.getOwnPropertyDescriptor(ShardCopy.prototype, "step")!.value as Step;
  ShardCopy.prototype.step = function stepAndTell(this: ShardCopy, event: CopyEvent): CopyEffect[] {
    const effects = step.call(this, event);
    listener?.(this, event, effects);
    return effects;
  };
}
