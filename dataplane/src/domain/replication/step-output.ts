/**
 * Collects what one step asks for. All durable changes of a step become one persist effect, so they
 * are one transaction: the adopted term is never durable later than the entries confirmed in it.
 */
import type { CopyEffect, PersistChange, ProtocolNote } from "./event.js";
import type { LogEntry } from "./log-entry.js";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class StepOutput {
  readonly effects: CopyEffect[] = [];
  #change: Writable<PersistChange> = {};
  #appended: LogEntry[] = [];
  #dirty = false;

  emit(effect: CopyEffect): void {
    this.effects.push(effect);
  }

  note(note: ProtocolNote): void {
    this.effects.push({ kind: "note", note });
  }

  persist(change: PersistChange): void {
    Object.assign(this.#change, change);
    this.#dirty = true;
  }

  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) this.#appended.push(entry);
    this.#dirty = true;
  }

  /** Whether the change must be durable before anything is confirmed: all but the checkpoint and trimming. */
  get isVital(): boolean {
    return this.#appended.length > 0 || Object.keys(this.#change).some(isVitalKey);
  }

  /** Puts the persist effect first: what is sent afterwards may run beside it, never before it is started. */
  finish(ticket: number): { readonly effects: CopyEffect[]; readonly persisted: boolean } {
    if (!this.#dirty) return { effects: this.effects, persisted: false };
    const change = this.#appended.length > 0 ? { ...this.#change, append: this.#appended } : this.#change;
    const persist = { kind: "persist", ticket, change, vital: this.isVital } as const;
    return { effects: [persist, ...this.effects], persisted: true };
  }
}

function isVitalKey(key: string): boolean {
  return key !== "globalCheckpoint" && key !== "trimThrough";
}
