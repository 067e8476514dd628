/** The durable state of one shard copy apart from its log and documents; one value of the store. */

export interface ShardRecord {
  readonly shardUid: string;
  readonly collectionUid: string;
  readonly allocationId: string;
  /** Version of the shard's record that gave the copy this id; an older record says nothing to it. */
  readonly identityVersion: number;
  readonly historyId: string;
  readonly term: number;
  readonly activatedTerm: number;
  readonly baseSeq: number;
  readonly baseTerm: number;
  readonly lastSeq: number;
  readonly globalCheckpoint: number;
  /** Documents and operation records hold exactly the log up to here. */
  readonly appliedSeq: number;
  /** The number that the next version of a document gets; never lowered in one slot. */
  readonly nextDoc: number;
  /** Where the log, documents and operation records lie: see store-key.ts. */
  readonly slot: number;
}

/**
 * AppliedBelowCheckpoint: nothing that could still be replaced is in documents or indexes, in every
 * transaction. Checked where records are written, so that no caller can get it wrong silently.
 */
export function assertAppliedBelowCheckpoint(record: ShardRecord): void {
  if (record.appliedSeq > record.globalCheckpoint || record.globalCheckpoint > record.lastSeq) {
    throw new Error(
      `AppliedBelowCheckpoint: shard ${record.shardUid} applied ${record.appliedSeq}, checkpoint ${record.globalCheckpoint}, last ${record.lastSeq}`,
    );
  }
}
