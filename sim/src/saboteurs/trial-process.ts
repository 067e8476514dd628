/** A process of its own for one saboteur: what is loaded changed can't be loaded unchanged again. */
import { SABOTEURS } from "./catalogue.js";
import { loadSabotaged } from "./changed-module.js";
import { hunt, type HuntBudget, type HuntResult } from "./hunt.js";
import { SHORT_LOG, type Hunt } from "./saboteur.js";

/** `id` undefined: the code as it is, which must come through. */
export interface TrialOrder {
  readonly id: string | undefined;
  readonly hunt: Hunt;
  readonly budget: HuntBudget;
}

export type TrialAnswer =
  | { readonly kind: "done"; readonly result: HuntResult }
  | { readonly kind: "failed"; readonly message: string };

async function answer(order: TrialOrder): Promise<TrialAnswer> {
  try {
    const saboteur = SABOTEURS.find(({ id }) => id === order.id);
    const settings = order.hunt.where === "system" && order.hunt.shortLog === true ? SHORT_LOG : [];
    const edits = [...settings, ...(saboteur?.edits ?? [])];
    if (edits.length > 0) loadSabotaged(order.id ?? "none", edits);
    return { kind: "done", result: await hunt(order.hunt, order.budget) };
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

process.once("message", (order: TrialOrder) => {
  void answer(order).then((told) => process.send!(told, () => process.exit(0)));
});
