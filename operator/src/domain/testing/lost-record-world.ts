/**
 * One shard with everything that matters when its record is lost: a record changed by compare-and-swap, copies
 * that hear of it late or never, primaries that wait for whom they know of, and what they acknowledged. Steps
 * come in any order that the protocol allows; then the record is gone, and what the nodes prove is all there is.
 */
import type { KeptShardRecord, LostRecord, RecordProof } from "../plan-record-rebuild.js";
import type { AllocationId, CopyPlace, HistoryId, NodeId, ShardUid } from "../shard-record.js";

const NODES = ["n1", "n2", "n3", "n4"] as NodeId[];

/** The more often, the likelier. */
const STEPS = [
  "write",
  "write",
  "deliver",
  "deliver",
  "askToJoin",
  "askToRemove",
  "follow",
  "promote",
  "promote",
  "addRecovering",
  "crash",
  "toggleAway",
  "reset",
] as const;
export type StepKind = (typeof STEPS)[number];

interface Copy {
  id: AllocationId;
  readonly node: NodeId;
  log: readonly string[];
  historyId: HistoryId;
  term: number;
  kept: KeptShardRecord;
  /** As primary: whom it waits for. */
  local: Set<AllocationId> | undefined;
}

export class LostRecordWorld {
  readonly #pick: (count: number) => number;
  readonly #copies = new Map<NodeId, Copy>();
  readonly #away = new Set<NodeId>();
  readonly #givenUp = new Set<HistoryId>();
  readonly #asked: { readonly action: "add" | "remove"; readonly id: AllocationId; readonly term: number }[] =
    [];
  readonly acknowledged: { readonly write: string; readonly historyId: HistoryId }[] = [];
  #record: KeptShardRecord;
  #ids = 0;
  #writes = 0;

  /** @param pick a number below `count`, which decides what happens next */
  constructor(pick: (count: number) => number) {
    this.#pick = pick;
    const copies = NODES.slice(0, 3).map((node) => this.#place(node));
    const ids = copies.map(({ id }) => id);
    this.#record = {
      uid: "shard" as ShardUid,
      version: 1,
      term: 1,
      historyId: "h1" as HistoryId,
      primary: ids[0]!,
      inSync: ids,
      recovering: [],
      copies,
    };
    for (const node of NODES) this.#deliver(node);
  }

  get record(): KeptShardRecord {
    return this.#record;
  }

  /** @param kind default: any */
  step(kind: StepKind = this.#one(STEPS)): void {
    switch (kind) {
      case "write":
        return this.#write();
      case "deliver":
        return this.#deliver(this.#anyNode());
      case "askToJoin":
        return this.#askToJoin();
      case "askToRemove":
        return this.#askToRemove();
      case "follow":
        return this.#follow();
      case "promote":
        return this.#promote();
      case "addRecovering":
        return this.#addRecovering();
      case "crash":
        return this.#crash(this.#anyNode());
      case "toggleAway":
        return this.#toggleAway(this.#anyNode());
      case "reset":
        return this.#reset();
    }
  }

  /** As a control plane sees it that hears of all nodes but those that are away. */
  lost(): LostRecord {
    const proofs = [...this.#copies.values()]
      .filter(({ node }) => !this.#away.has(node))
      .map(({ id, node, term, historyId, kept }): RecordProof => {
        return { node, copy: id, term, historyId, failure: undefined, kept, isCurrent: true };
      });
    return {
      stored: undefined,
      highestVersion: 0,
      proofs,
      givenUp: this.#givenUp,
      nameOf: (node) => node,
      nowMs: 1,
    };
  }

  /** Acknowledged writes of the history that some copy of the set does not have. */
  lostBy(record: Pick<KeptShardRecord, "inSync" | "historyId">): string[] {
    const members = record.inSync.map((id) => [...this.#copies.values()].find((copy) => copy.id === id));
    // What was acknowledged in a history that a person gave up was given up with it.
    const kept = this.acknowledged.filter(({ historyId }) => !this.#givenUp.has(historyId));
    return kept
      .map(({ write }) => write)
      .filter((write) => members.some((copy) => copy?.log.includes(write) !== true));
  }

  // ---------------------------------------------------------------- the control plane

  #change(change: Partial<KeptShardRecord>): void {
    this.#record = { ...this.#record, ...change, version: this.#record.version + 1 };
  }

  #promote(): void {
    const { inSync, term, copies } = this.#record;
    const target = this.#one(inSync);
    const stay = inSync.filter((id) => id === target || this.#pick(3) > 0);
    this.#change({
      term: term + 1,
      primary: target,
      inSync: stay,
      copies: copies.filter(({ id }) => stay.includes(id) || this.#record.recovering.includes(id)),
    });
  }

  #addRecovering(): void {
    const { copies, recovering } = this.#record;
    const free = NODES.filter((node) => !copies.some((copy) => copy.node === node));
    if (free.length === 0) return;
    const place = this.#place(this.#one(free));
    this.#change({ recovering: [...recovering, place.id], copies: [...copies, place] });
  }

  /** Protocol 7.5. */
  #follow(): void {
    if (this.#asked.length === 0) return;
    const { action, id, term } = this.#one(this.#asked);
    const { inSync, recovering, copies, primary } = this.#record;
    if (term !== this.#record.term) return;
    if (action === "add" && recovering.includes(id)) {
      this.#change({ inSync: [...inSync, id], recovering: recovering.filter((other) => other !== id) });
    } else if (action === "remove" && id !== primary && copies.some((copy) => copy.id === id)) {
      const without = (ids: readonly AllocationId[]): AllocationId[] => ids.filter((other) => other !== id);
      this.#change({
        inSync: without(inSync),
        recovering: without(recovering),
        copies: copies.filter((copy) => copy.id !== id),
      });
    }
  }

  /** Protocol 8.5: all in-sync copies are away, and a person goes on with another. */
  #reset(): void {
    const { inSync, copies, term } = this.#record;
    const isAway = (id: AllocationId): boolean =>
      copies.some((copy) => copy.id === id && this.#away.has(copy.node));
    const rest = [...this.#copies.values()].filter(
      ({ id, node }) => !inSync.includes(id) && !this.#away.has(node),
    );
    if (!inSync.every(isAway) || rest.length === 0) return;
    const { id, node } = this.#one(rest);
    this.#givenUp.add(this.#record.historyId);
    this.#change({
      term: Math.max(term, ...rest.map((copy) => copy.term)) + 1,
      historyId: `h${this.#record.version + 1}` as HistoryId,
      primary: id,
      inSync: [id],
      recovering: [],
      copies: [{ id, node, zone: node }],
    });
  }

  // ---------------------------------------------------------------- the copies

  #deliver(node: NodeId): void {
    if (this.#away.has(node)) return;
    const record = this.#record;
    const place = record.copies.find((copy) => copy.node === node);
    let copy = this.#copies.get(node);
    if (copy === undefined) {
      if (place === undefined) return;
      copy = {
        id: place.id,
        node,
        log: [],
        historyId: record.historyId,
        term: 0,
        kept: record,
        local: undefined,
      };
      this.#copies.set(node, copy);
    } else if (record.version <= copy.kept.version) return;
    else if (place !== undefined && place.id !== copy.id)
      Object.assign(copy, { id: place.id, local: undefined });
    copy.kept = record;
    if (record.primary === copy.id && record.term > copy.term) {
      copy.historyId = record.historyId;
      copy.local = new Set(record.inSync);
    } else if (record.term > copy.term) copy.local = undefined;
    else if (copy.local !== undefined && record.term === copy.term) {
      for (const id of record.inSync) copy.local.add(id);
      for (const id of copy.local) {
        if (id !== copy.id && !record.inSync.includes(id) && !record.recovering.includes(id))
          copy.local.delete(id);
      }
    }
    copy.term = Math.max(copy.term, record.term);
  }

  /** Acknowledged when all whom the primary waits for have it, and everything before it. */
  #write(): void {
    const primary = this.#anyPrimary();
    if (primary === undefined) return;
    const write = `w${(this.#writes += 1)}`;
    primary.log = [...primary.log, write];
    let isHeld = true;
    for (const id of primary.local!) isHeld = this.#replicate(primary, id) && isHeld;
    if (isHeld) this.acknowledged.push({ write, historyId: primary.historyId });
  }

  /** False when it is not confirmed. A copy that knows of a higher term tells so, and the primary steps down. */
  #replicate(primary: Copy, id: AllocationId): boolean {
    if (id === primary.id) return true;
    const copy = [...this.#copies.values()].find((other) => other.id === id);
    if (copy === undefined || this.#away.has(copy.node) || this.#pick(8) === 0) return false;
    if (copy.term > primary.term) {
      primary.local = undefined;
      return false;
    }
    if (copy.term < primary.term) copy.local = undefined;
    copy.term = primary.term;
    copy.historyId = primary.historyId;
    copy.log = primary.log;
    return true;
  }

  /** Protocol 7.2: waited for before it is asked for. */
  #askToJoin(): void {
    const primary = this.#anyPrimary();
    if (primary === undefined || primary.kept.recovering.length === 0) return;
    const id = this.#one(primary.kept.recovering);
    if (!this.#replicate(primary, id) || primary.local === undefined) return;
    primary.local.add(id);
    this.#asked.push({ action: "add", id, term: primary.term });
  }

  #askToRemove(): void {
    const primary = this.#anyPrimary();
    if (primary === undefined) return;
    const others = [...primary.local!].filter((id) => id !== primary.id);
    if (others.length > 0) this.#asked.push({ action: "remove", id: this.#one(others), term: primary.term });
  }

  #crash(node: NodeId): void {
    const copy = this.#copies.get(node);
    if (copy !== undefined) copy.local = undefined;
  }

  #toggleAway(node: NodeId): void {
    if (!this.#away.delete(node)) this.#away.add(node);
  }

  #anyPrimary(): Copy | undefined {
    const primaries = [...this.#copies.values()].filter(
      ({ local, node }) => local !== undefined && !this.#away.has(node),
    );
    return primaries.length === 0 ? undefined : this.#one(primaries);
  }

  #anyNode(): NodeId {
    return this.#one(NODES);
  }

  #one<T>(all: readonly T[]): T {
    return all[this.#pick(all.length)]!;
  }

  #place(node: NodeId): CopyPlace {
    return { id: `a${(this.#ids += 1)}` as AllocationId, node, zone: node };
  }
}
