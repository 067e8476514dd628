/**
 * The one list of reason codes: log lines, events, conditions, metrics, `status` and docs take their
 * reasons from here. Each has one sentence that says what it means to the person who reads it.
 */
export const REASONS = {
  NotEnoughDomains: "There are fewer placement domains than copies wanted, so a copy has no place.",
  NoNodeWithCapacity: "No node of an unused domain takes another copy.",
  NodeDead: "The node has not answered for longer than the suspect time.",
  NodeSuspect: "The node missed its heartbeats.",
  ConnectionBroken: "The connection to the node broke.",
  NodeRestarted: "The node's process is a new one.",
  NodeRemoved: "The node was removed from the cluster.",
  NodeDraining: "The node is leaving and hands its primaries over.",
  WorkerStuck: "The worker thread that owns the copy does not turn its loop.",
  PrimarySuspect: "The primary does not answer, so another in-sync copy was promoted.",
  PrimaryRestarted: "The primary's process restarted and must be promoted again.",
  HandOff: "The primary handed its role over.",
  ShardCreated: "The shard is new.",
  CopyAdded: "A copy was added to be filled.",
  DataLossAccepted:
    "A person accepted that what no reachable copy holds is lost; the shard began a new history.",
  CaughtUp: "The copy has everything that is committed and joined the in-sync set.",
  ReplicaTimeout: "The copy said nothing for replicaTimeoutMs and left the in-sync set.",
  TooSlow:
    "The copy answers, but left entries unconfirmed for longer than slowReplicaTimeoutMs; it left the in-sync set.",
  ReplicaDisconnected: "The connection to the copy broke and it left the in-sync set.",
  JoinGivenUp: "A copy that was joining did not confirm in time.",
  CopyFailed: "The copy stopped because of an error on its node.",
  DiskFull: "The disk of the primary's node has less free space than limits.diskReserveBytes.",
  LastInSyncCopyAway: "No in-sync copy is there to be promoted; the shard waits for one to return.",
  ShardRecordLost: "The shard's record is missing, though nodes hold data for it.",
  ShardRecordStale: "The shard's record is older than what a node reports.",
  WaitingForNode: "A copy's node is away; a new copy is made after rebuildDelaySeconds.",
  Recovering: "A copy is being filled.",
  CollectionDeleted: "The collection was deleted.",
  NoZoneLabels: "The nodes carry no zone, so the loss of a zone is not tolerated.",
  SingleDomain: "All copies stand in one domain, so its loss is not tolerated.",
  ExistingShardsDoNotMove:
    "New nodes take new shards and replacement copies; existing shards do not move yet.",
  AllInSync: "Every shard has all its copies in sync.",
  WorkloadExited: "A node's process ended and is started again.",
  WorkloadBackOff: "A node's process keeps ending; it is started again after a growing delay.",
  Paused: "spec.paused holds changes back; failover goes on.",
  ForeignData: "The node's volume holds the data of another cluster.",
  SpecInvalid: "The specification is not valid; the last accepted one goes on.",
  ChangeRefused: "The change is not possible; the last accepted specification goes on.",
  Accepted: "The specification is what nodes are told.",
  NameTaken: "Another PrismCollection of the cluster has this name.",
  ClusterNotFound: "There is no PrismCluster of this name in the namespace.",
  NotConfirmed: "Half of the nodes or fewer have confirmed the collection.",
  NodesAdded: "The cluster was told to have more nodes.",
  LeadTaken: "A control plane took the lead of the cluster.",
} as const;

export type Reason = keyof typeof REASONS;
