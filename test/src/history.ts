/**
 * What was asked of a collection and what was answered, and the check that one set of documents
 * explains all of it. Each id is written by one writer, one operation after another, so the order of
 * its operations is known and the check needs no search.
 *
 * Of each id the checker keeps the states that it may be in. An acknowledged operation keeps those
 * from which its answer follows; an unknown one may have run or not; a refused one has not run. An id
 * gets no operation after one whose outcome stayed unknown, since that may still run later.
 */

/** A document as these tests write it: which put made it, and which patch came last. Absent: undefined. */
export type DocumentValue = string | undefined;

export function valueOf(fields: Readonly<Record<string, unknown>> | undefined): DocumentValue {
  if (fields === undefined) return undefined;
  const { counter, patched = "-" } = fields as { readonly counter?: number; readonly patched?: number | "-" };
  return `${counter ?? "?"}/${patched}`;
}

export type OperationKind = "put" | "create" | "patch" | "delete" | "read";

export type Outcome =
  /** `result` and `version` ("<term>.<seq>") as answered. */
  | { readonly kind: "acknowledged"; readonly result: string; readonly version: string }
  | { readonly kind: "refused"; readonly code: string }
  | { readonly kind: "unknown"; readonly code: string }
  | { readonly kind: "found"; readonly value: DocumentValue };

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  /** Differs for every operation of a run, and goes into the document. */
  readonly counter: number;
  readonly outcome: Outcome;
  readonly tookMs: number;
}

export interface FoundDocument {
  readonly value: DocumentValue;
  readonly version: string;
}

export interface Violation {
  readonly id: string;
  readonly kind: "lost" | "phantom" | "unexplained" | "stale";
  readonly detail: string;
}

interface State {
  readonly value: DocumentValue;
  /** Of the acknowledged operation that made it; undefined: not known. */
  readonly version: string | undefined;
}

export class History {
  readonly #byId = new Map<string, Operation[]>();
  #acknowledged = 0;
  #slowestMs = 0;
  readonly #outcomes = new Map<string, number>();

  add(operation: Operation): void {
    const operations = this.#byId.get(operation.id);
    if (operations === undefined) this.#byId.set(operation.id, [operation]);
    else operations.push(operation);
    const { outcome } = operation;
    const name = "code" in outcome ? `${outcome.kind} ${outcome.code}` : outcome.kind;
    this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + 1);
    if (outcome.kind !== "acknowledged") return;
    this.#acknowledged += 1;
    this.#slowestMs = Math.max(this.#slowestMs, operation.tookMs);
  }

  /** Acknowledged writes. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get slowestAcknowledgedMs(): number {
    return Math.round(this.#slowestMs);
  }

  /** How often each outcome was met. */
  get outcomes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#outcomes);
  }

  get ids(): readonly string[] {
    return [...this.#byId.keys()];
  }

  operationsOf(id: string): readonly Operation[] {
    return this.#byId.get(id) ?? [];
  }

  /** Everything that the documents found, by id, and the answers given can't both be true of. */
  check(found: ReadonlyMap<string, FoundDocument>): Violation[] {
    const violations: Violation[] = [];
    for (const [id, operations] of this.#byId) violations.push(...checkId(id, operations, found.get(id)));
    for (const [id, document] of found) {
      if (!this.#byId.has(id))
        violations.push({ id, kind: "phantom", detail: `nobody wrote ${document.value}` });
    }
    return violations;
  }
}

function checkId(
  id: string,
  operations: readonly Operation[],
  found: FoundDocument | undefined,
): Violation[] {
  const violations: Violation[] = [];
  let states: readonly State[] = [{ value: undefined, version: undefined }];
  const seen = new Set<DocumentValue>([undefined]);
  operations.forEach((operation, at) => {
    if (operation.outcome.kind === "unknown" && at < operations.length - 1) {
      throw new Error(`the history of ${id} goes on after an unknown outcome: it can't be checked`);
    }
    const next = nextStates(operation, states);
    if (next.length === 0) {
      const kind = operation.kind === "read" ? "stale" : "unexplained";
      violations.push({ id, kind, detail: `${describe(operation)} from ${describeStates(states)}` });
      states = statesAfterSurprise(operation);
    } else states = next;
    for (const { value } of states) seen.add(value);
  });
  const value = found?.value;
  const fits = states.some((state) => state.value === value && sameVersion(state, found));
  if (!fits) {
    const kind = seen.has(value) ? "lost" : "phantom";
    const last = operations.at(-1);
    const detail = `found ${describeFound(found)}, expected ${describeStates(states)} after ${last === undefined ? "nothing" : describe(last)}`;
    violations.push({ id, kind, detail });
  }
  return violations;
}

/** What is absent has no version to compare. */
function sameVersion(state: State, found: FoundDocument | undefined): boolean {
  return found === undefined || state.version === undefined || state.version === found.version;
}

function nextStates(operation: Operation, states: readonly State[]): State[] {
  const { outcome } = operation;
  switch (outcome.kind) {
    case "found":
      return states.filter((state) => state.value === outcome.value);
    case "refused":
      return states.filter((state) => mayRefuse(outcome.code, state));
    case "unknown":
      return [...states, ...states.flatMap((state) => run(operation, state)?.state ?? [])];
    case "acknowledged":
      return states.flatMap((state) => {
        const ran = run(operation, state);
        if (ran?.result !== outcome.result) return [];
        return [{ value: ran.state.value, version: ran.changed ? outcome.version : state.version }];
      });
  }
}

/** A refusal for the document's sake says what the document was. */
function mayRefuse(code: string, state: State): boolean {
  if (code === "documentExists") return state.value !== undefined;
  if (code === "documentNotFound") return state.value === undefined;
  return true;
}

/** What the operation does to a document and answers; undefined: it is refused. */
function run(
  { kind, counter }: Operation,
  { value }: State,
): { readonly state: State; readonly result: string; readonly changed: boolean } | undefined {
  const to = (after: DocumentValue, result: string, changed = true) => ({
    state: { value: after, version: undefined },
    result,
    changed,
  });
  switch (kind) {
    case "put":
      return to(`${counter}/-`, value === undefined ? "created" : "updated");
    case "create":
      return value === undefined ? to(`${counter}/-`, "created") : undefined;
    case "patch":
      return value === undefined ? undefined : to(`${value.split("/")[0]}/${counter}`, "updated");
    case "delete":
      return value === undefined ? to(undefined, "unchanged", false) : to(undefined, "deleted");
    case "read":
      return undefined;
  }
}

/** One surprise is one violation: what follows is checked against what the answer itself says. */
function statesAfterSurprise({ kind, counter, outcome }: Operation): State[] {
  if (outcome.kind === "found") return [{ value: outcome.value, version: undefined }];
  if (kind === "delete" || outcome.kind !== "acknowledged") return [{ value: undefined, version: undefined }];
  return [{ value: `${counter}/-`, version: outcome.version }];
}

function describe({ kind, counter, outcome }: Operation): string {
  const facts = Object.values(outcome).map(String).join(" ");
  return `${kind} ${counter} (${facts})`;
}

function describeStates(states: readonly State[]): string {
  return states.map((state) => `${state.value ?? "absent"}@${state.version ?? "?"}`).join(" or ");
}

function describeFound(found: FoundDocument | undefined): string {
  return found === undefined ? "absent" : `${found.value}@${found.version}`;
}
