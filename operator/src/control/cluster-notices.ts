/** What holds of the cluster as a whole beside its nodes and shards: changes are paused, a specification is refused. */
import type { Reason } from "@prism/api/reason";
import type { ClusterNotice } from "../domain/status.js";
import { steadyNowMs } from "./steady-clock.js";

export class ClusterNotices {
  #refusal: ClusterNotice | undefined;
  #pausedSinceMs: number | undefined;

  /** A specification was taken; what was refused before it is over. */
  adopted(paused: boolean): void {
    this.#pausedSinceMs = paused ? (this.#pausedSinceMs ?? steadyNowMs()) : undefined;
    this.#refusal = undefined;
  }

  /** True when that is news. */
  refused(reason: Reason, detail: string): boolean {
    const isNews = this.#refusal?.detail !== detail;
    this.#refusal = { reason, detail, since: this.#refusal?.since ?? steadyNowMs() };
    return isNews;
  }

  list(): readonly ClusterNotice[] {
    const since = this.#pausedSinceMs;
    const paused: ClusterNotice[] = since === undefined ? [] : [{ reason: "Paused", detail: "", since }];
    return this.#refusal === undefined ? paused : [this.#refusal, ...paused];
  }
}
