/** For each reason: how bad it is, and what happens next by itself and by people. */
import type { Reason } from "@prism/api/reason";
import type { StatusProblem } from "@prism/api/status";

const AUTOMATIC = "Handled without you.";

export const NEXT_STEP: Readonly<Record<Reason, string>> = {
  NotEnoughDomains:
    "The copy is made when a node in another placement domain joins. Or set topology.domain to Host: copies then stand on different machines of a zone.",
  WritesNeedMoreDomains:
    "Set topology.domain to Host: copies then stand on different machines of a zone. Or add zones to topology.zones, with nodes in them. " +
    "On Kubernetes, zones are found once, from the labels of machines: a cluster made after all machines are labelled has them all.",
  NoNodeWithCapacity: "The copy is made when a node of an unused domain is alive and takes copies.",
  NodeDead:
    "Its copies are made anew elsewhere after rebuildDelaySeconds, or filled from its data if it returns.",
  NodeSuspect: "Its primaries move at once; after suspectTimeoutMs it counts as dead.",
  ConnectionBroken:
    "It is dialled again; its primaries move at once and after suspectTimeoutMs it counts as dead.",
  NodeRestarted: AUTOMATIC,
  NodeRemoved: "Its copies are made anew on other nodes.",
  NodeDraining: "Its primaries are handed over; then it ends.",
  WorkerStuck: "Its copies are replaced. If it does not recover, restart the node.",
  PrimarySuspect: AUTOMATIC,
  PrimaryRestarted: AUTOMATIC,
  HandOff: AUTOMATIC,
  ShardCreated: AUTOMATIC,
  CopyAdded: AUTOMATIC,
  CaughtUp: AUTOMATIC,
  DataLossAccepted: "The other copies are filled from the one that was chosen.",
  FirstCopyLost: AUTOMATIC,
  ReplicaTimeout: "The copy is filled again. If it keeps happening, look at the node's disk and load.",
  TooSlow:
    "The copy is filled again after a pause that grows, and joins once it keeps up. Look at the node's disk, load and network.",
  ReplicaDisconnected: "The copy is filled again when its node is back.",
  JoinGivenUp: "The copy is filled again.",
  CopyFailed: "The copy is made anew; the node's log has the cause.",
  DiskFull:
    "The role moves to an in-sync copy whose node has room. While none has, nothing is added: free disk space; deletes and searches go on.",
  LastInSyncCopyAway:
    "Writes wait until a node that holds an in-sync copy returns; start it. " +
    "If it is gone for good: prism shard accept-data-loss <collection>/<number>.",
  ShardRecordLost:
    "It is made again once all its copies prove what it was. Bring back the nodes that are missing.",
  ShardRecordStale:
    "It is made again once all its copies prove what it was. Bring back the nodes that are missing.",
  ShardRecordRebuilt: "All its copies agreed. Find out who changed the record: only the control plane may.",
  WaitingForNode:
    "The copy is filled from the node's data when it returns, or made anew elsewhere after the delay.",
  Recovering: "The copy joins the in-sync set when it has caught up.",
  CollectionDeleted: AUTOMATIC,
  NoZoneLabels: "Set topology.zones, or topology.domain to Host.",
  SingleDomain: "Add nodes in another placement domain.",
  ExistingShardsDoNotMove: "New collections and replacement copies use the new nodes.",
  AllInSync: "Nothing to do.",
  WorkloadExited: "It is started again at once.",
  WorkloadBackOff:
    "Remove the cause named by lastExit (node.log has more); the process is started again by itself, after at most 30 s. " +
    "If its data can't be saved: prism down, empty the node's data directory, prism up; other copies fill it.",
  Paused: "Set spec.paused to false.",
  ForeignData:
    "Nothing is done to the data. Give the node the volume of this cluster, or delete the volume if its data may go.",
  SpecInvalid: "Correct what the message names; until then the last accepted specification goes on.",
  ChangeRefused: "Set back what the message names; until then the last accepted specification goes on.",
  Accepted: "Nothing to do.",
  NameTaken: "Give one of the two another spec.name, or delete it.",
  ClusterNotFound: "Create the PrismCluster, or correct spec.clusterRef.name in a new object.",
  NotConfirmed:
    "It is ready when more than half of the nodes have confirmed it; the others get it when they return.",
  NodesAdded: AUTOMATIC,
  StartFailed: "It is tried again after a growing delay; remove the cause that the message names.",
  LeadTaken: AUTOMATIC,
  WorkloadCreated: AUTOMATIC,
  WorkloadChanged: AUTOMATIC,
  WorkloadRestored: AUTOMATIC,
  DriftCorrected: "To change it for good, change the PrismCluster.",
  NameInUse: "Rename or delete the other object, or give the cluster another name.",
  TemplateHeldBack:
    "Nothing restarts by itself. Delete the named pods one at a time; each comes back with the newer template, " +
    "and the next zone gets it when all of them run it and everything is in sync.",
  DisruptionsAllowed: AUTOMATIC,
  DisruptionsHeld: "Evictions go on by themselves when all pods are ready and all copies in sync.",
  PodUnschedulable: "It starts when a machine of its zone has room: add one, or lower spec.resources.",
  ImagePullFailed: "It is tried again. Correct spec.image or spec.version, or make the image available.",
  PodNotStarting: "It is tried again when the cause is gone.",
  VolumePending:
    "It starts when the volume is there: look at the PersistentVolumeClaim and its storage class.",
  VolumeOnLostMachine:
    "It starts when the machine is back, or takes pods again. If it is gone for good, delete the PersistentVolumeClaim and the pod: " +
    "a new node begins empty, and its peers fill it.",
  MachineLost:
    "Its copies are made anew elsewhere after rebuildDelaySeconds; the pod itself comes back with its machine. " +
    "If that is gone for good, delete the Node, or taint it node.kubernetes.io/out-of-service.",
};

const CRITICAL: ReadonlySet<Reason> = new Set<Reason>([
  "LastInSyncCopyAway",
  "ShardRecordLost",
  "ShardRecordStale",
  "WritesNeedMoreDomains",
  "NodeDead",
  "WorkloadBackOff",
  "ForeignData",
  "SpecInvalid",
  "ChangeRefused",
  "StartFailed",
]);
const INFO: ReadonlySet<Reason> = new Set<Reason>([
  "Recovering",
  "NodeDraining",
  "NoZoneLabels",
  "SingleDomain",
  "ExistingShardsDoNotMove",
  "AllInSync",
  "ShardCreated",
  "CopyAdded",
  "CaughtUp",
  "HandOff",
  "CollectionDeleted",
  "Paused",
  "Accepted",
  "NodesAdded",
  "LeadTaken",
  "WorkloadCreated",
  "WorkloadChanged",
  "TemplateHeldBack",
  "DisruptionsAllowed",
  "DisruptionsHeld",
]);

export function severityOf(reason: Reason): StatusProblem["severity"] {
  if (CRITICAL.has(reason)) return "critical";
  return INFO.has(reason) ? "info" : "warning";
}
