/**
 * Which version each shard's record has come to, in a ConfigMap beside the data: putting back one record does not put
 * this back. What is not on record here is shown to nobody, so that nobody acts on it, and what is older than what is
 * on record is known to be so, also by a leader that has heard of no node yet (ADR 0035).
 *
 * Changes that come while a write is under way go together into the next one.
 */
import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import { clusterObjectNames } from "@prism/api/object-names";
import type { ApiClient } from "@prism/kube-machinery/api-client";
import { ApiError } from "@prism/kube-machinery/api-error";
import type { Stored } from "@prism/kube-machinery/kube-object";
import { RecordVersions, type ShardKey } from "../../domain/record-versions.js";
import { objectLabels } from "../../resources/owned-object.js";
import { CONFIG_MAPS, type ConfigMap } from "./prism-resources.js";

export interface RecordLedgerOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly cluster: string;
  readonly fieldManager: string;
  /** What was heard is on record now, or it can be judged at last. */
  readonly onNoted: () => void;
  /** Will be tried again. */
  readonly onError: (error: unknown) => void;
}

/** `older`: than one that was heard of before. */
export type Standing = "noted" | "notYet" | "older";

const RETRY_MS = 1000;

export class RecordLedger {
  readonly #options: RecordLedgerOptions;
  readonly #heard = new RecordVersions();
  /** As stored; undefined before it is read. */
  #noted: RecordVersions | undefined;
  #stored: Stored<ConfigMap> | undefined;
  #writing: Promise<void> | undefined;
  #isBehind = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RecordLedgerOptions) {
    this.#options = options;
  }

  /** How a record of this version stands; one that is not on record yet will be. */
  take(shard: ShardKey, version: number): Standing {
    if (this.#heard.raise(shard, version)) this.#isBehind = true;
    if (this.#noted === undefined) return "notYet";
    if (version < this.highest(shard)) return "older";
    if (version <= this.#noted.of(shard)) return "noted";
    if (this.#writing === undefined) this.#write().catch(this.#options.onError);
    return "notYet";
  }

  /** That was ever heard of; 0 when none was. */
  highest(shard: ShardKey): number {
    return Math.max(this.#heard.of(shard), this.#noted?.of(shard) ?? 0);
  }

  /** The shard's collection was deleted, and that is on record elsewhere. */
  forget(shard: ShardKey): void {
    this.#heard.forget(shard);
    this.#noted?.forget(shard);
  }

  /** Resolves when all that was heard up to now is on record. @throws what the API server answers. */
  async settled(): Promise<void> {
    // While a write is under way nothing of it is on record yet.
    while (this.#isBehind || this.#writing !== undefined || this.#noted === undefined) {
      if (this.#closed) throw new Error("versions of records are not noted any more: the store is closed");
      await this.#write();
    }
  }

  /** Somebody may have deleted it: what this process knows is written again. */
  async restore(): Promise<boolean> {
    if (this.#noted === undefined || this.#closed) return false;
    const { client } = this.#options;
    if ((await client.get(CONFIG_MAPS, this.#at())) !== undefined || this.#stored === undefined) return false;
    this.#isBehind = true;
    await this.settled();
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeOnce().finally(() => {
      this.#writing = undefined;
      // What came as this write was ending waits for nobody else.
      if (this.#isBehind && this.#retry === undefined && !this.#closed) {
        this.#write().catch(this.#options.onError);
      }
    });
    return this.#writing;
  }

  async #writeOnce(): Promise<void> {
    try {
      // What comes in this turn goes along.
      await turnOfTheLoop();
      if (this.#noted === undefined) await this.#read();
      while (this.#isBehind && !this.#closed) await this.#send();
    } catch (error) {
      if (!this.#closed) this.#retry ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
      throw error;
    }
  }

  #tryAgain(): void {
    this.#retry = undefined;
    this.#write().catch(this.#options.onError);
  }

  async #read(): Promise<void> {
    this.#stored = await this.#options.client.get<ConfigMap>(CONFIG_MAPS, this.#at());
    this.#noted = versionsOf(this.#stored);
    this.#isBehind = this.#exceeds(this.#noted);
    this.#options.onNoted();
  }

  async #send(): Promise<void> {
    const { client, fieldManager } = this.#options;
    const versions = new RecordVersions();
    if (this.#noted) versions.raiseAll(this.#noted);
    versions.raiseAll(this.#heard);
    this.#isBehind = false;
    const data = versions.toData();
    try {
      this.#stored =
        this.#stored === undefined
          ? await client.create(CONFIG_MAPS, this.#newObject(data), { fieldManager })
          : await client.replace(CONFIG_MAPS, { ...this.#stored, data }, { fieldManager });
    } catch (error) {
      this.#isBehind = true;
      const isOvertaken =
        error instanceof ApiError && (error.isConflict || error.isAlreadyExists || error.isNotFound);
      if (!isOvertaken) throw error;
      // Another leader, or somebody who deleted it: nothing that either of us knew is given up.
      this.#stored = await client.get<ConfigMap>(CONFIG_MAPS, this.#at());
      this.#heard.raiseAll(versions);
      this.#heard.raiseAll(this.#readable());
      return;
    }
    this.#noted = versions;
    this.#options.onNoted();
  }

  #exceeds(noted: RecordVersions): boolean {
    const both = new RecordVersions();
    both.raiseAll(noted);
    both.raiseAll(this.#heard);
    return JSON.stringify(both.toData()) !== JSON.stringify(noted.toData());
  }

  /** What this process knows counts when somebody has damaged it meanwhile. */
  #readable(): RecordVersions {
    try {
      return versionsOf(this.#stored);
    } catch {
      return new RecordVersions();
    }
  }

  #newObject(data: ConfigMap["data"]): ConfigMap {
    const metadata = { ...this.#at(), labels: objectLabels(this.#options.cluster) };
    return { apiVersion: "v1", kind: "ConfigMap", metadata, data: data ?? {} };
  }

  #at(): { readonly namespace: string; readonly name: string } {
    const { namespace, cluster } = this.#options;
    return { namespace, name: clusterObjectNames(cluster).records };
  }
}

function versionsOf(object: ConfigMap | undefined): RecordVersions {
  try {
    return RecordVersions.fromData(object?.data ?? {});
  } catch (error) {
    throw new Error(
      `ConfigMap ${object?.metadata.name} is damaged: ${String(error)}; restore it from a backup. Without it an old ` +
        "record of a shard passes for the newest one: delete it only when no record was put back",
      { cause: error },
    );
  }
}
