// Generated from proto/node.proto by `make generate`. Do not edit.
import { codecsOf, type Codec } from "../codec.js";

export interface PeerFrame {
  /** Correlates an answer with its request; 0 for one-way frames. */
  id: number;
  /** See PeerFrameKind in frame-kind.ts: request, response, cancel, one-way, hello. */
  kind: number;
  /** Which operation a request asks for; see ShardCall in frame-kind.ts. */
  call: number;
  /** The shard's uid; empty for hello. */
  shard: string;
  /** Time left for the request when it was sent, in milliseconds. */
  timeoutMs: number;
  payload: Uint8Array;
  /** Set on a response that failed. */
  error?: CallError;
}

/** What a peer stream carries: the frames of one turn of the sender's event loop. */
export interface PeerFrames {
  frames: PeerFrame[];
}

export interface PeerHello {
  clusterId: string;
  nodeId: string;
  bootId: string;
}

export interface CallError {
  /** A code of the closed list in @prism/api problem codes. */
  code: string;
  detail: string;
  /** Whether the operation may have been executed: "no" or "unknown". */
  executed: string;
  /** JSON array of {pointer, code, detail}, empty when there is none. */
  errorsJson: Uint8Array;
  /** Where the primary is, when the answer is "not primary". */
  primaryNode: string;
}

export interface WriteRequest {
  items: WriteItem[];
}

export interface WriteItem {
  /** Makes a retry exact. Never empty: the coordinator makes one when the client sent none. */
  operationId: string;
  /** See WriteAction in frame-kind.ts: put, create, patch, delete. */
  action: number;
  id: string;
  /** The document (put, create) or merge patch (patch), UTF-8 JSON, unparsed so far. */
  document: Uint8Array;
  /** If-Match: "<term>.<seq>", empty for none. */
  ifMatch: string;
  ifNoneMatch: boolean;
}

export interface WriteResponse {
  outcomes: WriteOutcome[];
  historyId: string;
  /** The in-sync copies that hold the writes, and how many distinct domains they stand in. */
  copies: number;
  zones: number;
}

export interface WriteOutcome {
  /** created | updated | deleted | unchanged; empty when error is set. */
  result: string;
  term: number;
  seq: number;
  error?: CallError;
}

export interface ReadLevel {
  /** Wait until the copy has applied this sequence number; 0 for none. */
  minimumSeq: number;
  /** History the minimum belongs to; another history is the error historyLost. */
  historyId: string;
  /** See ReadLevelKind in frame-kind.ts: applied, bounded, strong. */
  kind: number;
  /** With bounded: the answer shows what was acknowledged until so long before the call came. */
  maxStalenessMs: number;
}

export interface GetRequest {
  id: string;
  read?: ReadLevel;
  include: string[];
  /** Project with include as given even when it is empty (ids and version only). */
  hasInclude: boolean;
}

export interface GetResponse {
  found: boolean;
  document?: Document;
  appliedSeq: number;
  historyId: string;
}

export interface Document {
  id: string;
  /** The fields, UTF-8 JSON. */
  fields: Uint8Array;
  /** Term and sequence number of the operation that wrote this version. */
  term: number;
  seq: number;
}

export interface StatisticsRequest {
  fields: FieldTerms[];
  read?: ReadLevel;
}

/** One text query against one field: the shard analyses the query itself, so that all shards use the same analyzer of the same map. */
export interface FieldTerms {
  field: string;
  query: string;
}

export interface StatisticsResponse {
  fields: FieldStatistics[];
  appliedSeq: number;
  historyId: string;
}

export interface FieldStatistics {
  field: string;
  documents: number;
  /** Sum of the field's lengths in tokens over these documents. */
  totalLength: number;
  terms: TermStatistics[];
}

export interface TermStatistics {
  term: string;
  documentFrequency: number;
}

export interface SearchRequest {
  /** A ShardQuery (dataplane/src/domain/shard-query.ts) as JSON, its vectors taken out. */
  queryJson: Uint8Array;
  /** Little-endian float32, one per vector query in the order of the queries. */
  vectors: Uint8Array[];
  /** Statistics over all shards; absent when this shard is the only one. */
  statistics: FieldStatistics[];
  read?: ReadLevel;
  /** The documents of this many hits, after so many, come with the answer: of a collection with one shard they are the page, which saves a second call. 0 for none. */
  fetchLimit: number;
  fetchOffset: number;
  include: string[];
  hasInclude: boolean;
  /** With fetch_limit and several queries: how their lists become one ranking, a RankingRule (dataplane/src/domain/rank-hits.ts) as JSON. */
  rankingJson: Uint8Array;
}

export interface SearchResponse {
  /** One list per query, best first; a search without queries has one list, by id. */
  lists: HitList[];
  /** Documents that match, exactly. */
  total: number;
  /** Partial aggregations (dataplane/src/domain/aggregation.ts) as JSON. */
  aggregationsJson: Uint8Array;
  appliedSeq: number;
  historyId: string;
  /** How each query was answered, as JSON, when the request asked to explain. */
  explainJson: Uint8Array;
  /** As fetch_limit asks. */
  documents: Document[];
  /** In place of lists, when the request said how they become one ranking: the hits of its page. */
  page: RankedHit[];
}

export interface RankedHit {
  id: string;
  /** Little-endian float64: the hit's score, then that of each query that found it. */
  scores: Uint8Array;
  /** Those queries, and the hit's rank in each. */
  queries: number[];
  ranks: number[];
}

export interface HitList {
  ids: string[];
  /** Little-endian float64, one per id. */
  scores: Uint8Array;
}

export interface FetchRequest {
  /** May be empty: the answer then says that the copy is as far as the level asks. */
  ids: string[];
  include: string[];
  hasInclude: boolean;
  read?: ReadLevel;
}

export interface FetchResponse {
  /** In the order of the ids asked for; a document deleted meanwhile is left out. */
  documents: Document[];
}

export interface ScanRequest {
  /** Ids greater than this, in byte order of their UTF-8 form; empty to start. */
  after: string;
  limit: number;
  include: string[];
  hasInclude: boolean;
  read?: ReadLevel;
}

export interface ScanResponse {
  documents: Document[];
  appliedSeq: number;
  historyId: string;
}

/** Compares the copies of a shard at one sequence number, that of a marker operation which the asker writes after every copy was told to wait for it. Held by a copy for a while after it was last asked. */
export interface VerifyRequest {
  verificationId: string;
  /** See VerifyStep in frame-kind.ts: prepare, digest, list, release. */
  step: number;
  /** With list: of which buckets. */
  buckets: number[];
}

export interface VerifyResponse {
  /** See VerifyState in frame-kind.ts: gone, waiting, reading, done. */
  state: number;
  allocationId: string;
  /** Of the marker, at which everything below was read. */
  seq: number;
  /** Read so far. */
  documents: number;
  operations: number;
  /** Documents in the copy's indexes at that moment. */
  indexed: number;
  /** 16 bytes for each bucket, in their order; empty before all was read. */
  digests: Uint8Array;
  operationsDigest: Uint8Array;
  /** With list, in byte order of ids. */
  listed: VerifiedDocument[];
}

export interface VerifiedDocument {
  id: string;
  term: number;
  seq: number;
  /** Empty when the stored value is damaged or missing. */
  digest: Uint8Array;
}

/** One message of the replication protocol between two copies of a shard. */
export interface ReplicationMessage {
  shardUid: string;
  historyId: string;
  from: string;
  to: string;
  term: number;
  replicate?: Replicate;
  replicateOk?: ReplicateOk;
  mismatch?: Mismatch;
  higherTerm?: HigherTerm;
  snapshotChunk?: SnapshotChunk;
  snapshotAck?: SnapshotAck;
  termCheck?: TermCheck;
  termCheckOk?: TermCheckOk;
  freshnessAsk?: FreshnessAsk;
  freshness?: Freshness;
}

export interface Replicate {
  previousSeq: number;
  previousTerm: number;
  /** A run of entries as the log stores it (dataplane/src/adapters/lmdb/entry-codec.ts), each with a checksum of its own: the bytes that the primary has on disk are those that every copy has. */
  entries: Uint8Array;
  globalCheckpoint: number;
}

export interface ReplicateOk {
  confirmed: number;
  /** The replica's own checkpoint: the primary trims its log no further. */
  globalCheckpoint: number;
}

export interface Mismatch {
  globalCheckpoint: number;
  lastSeq: number;
}

export interface HigherTerm {}

export interface SnapshotChunk {
  /** Of one transfer; a chunk of another transfer starts it afresh. */
  snapshotId: string;
  number: number;
  last: boolean;
  lastSeq: number;
  lastTerm: number;
  documents: SnapshotDocument[];
  operations: SnapshotOperation[];
}

export interface SnapshotDocument {
  id: string;
  record: Uint8Array;
  term: number;
  seq: number;
}

export interface SnapshotOperation {
  operationId: string;
  seq: number;
  term: number;
  result: string;
  timeMs: number;
}

export interface SnapshotAck {
  snapshotId: string;
  number: number;
  installed: boolean;
  /** The receiver wants the transfer started again from its first chunk. */
  restart: boolean;
  /** As many snapshots as it takes at once are under way there: the transfer is to begin later. */
  busy: boolean;
}

export interface TermCheck {
  nonce: string;
}

export interface TermCheckOk {
  nonce: string;
}

/** A replica asks its primary for a checkpoint of an age that a read allows. */
export interface FreshnessAsk {
  nonce: string;
  maxAgeMs: number;
}

export interface Freshness {
  nonce: string;
  /** All that was acknowledged until so long before the question came is at or below the checkpoint. */
  ageMs: number;
  globalCheckpoint: number;
}

export interface ControlFrame {
  id: number;
  hello?: ControlHello;
  nodeHello?: NodeHello;
  heartbeat?: Heartbeat;
  report?: NodeReport;
  map?: ClusterMap;
  mapApplied?: MapApplied;
  copyRequest?: CopyRequest;
  copyAnswer?: CopyAnswer;
  collectionRequest?: CollectionRequest;
  collectionAnswer?: CollectionAnswer;
  drain?: Drain;
  status?: StatusReport;
  mapDelta?: MapDelta;
  deflated?: DeflatedFrame;
}

/** Another ControlFrame, by raw DEFLATE (RFC 1951): one that is long and goes to many nodes. */
export interface DeflatedFrame {
  frame: Uint8Array;
}

/** First frame of the control plane. */
export interface ControlHello {
  clusterId: string;
  clusterName: string;
  /** Who leads: a node drops the stream of a leader whose epoch is lower than one it has seen. */
  leaderEpoch: number;
}

/** First frame of the node. */
export interface NodeHello {
  clusterId: string;
  nodeId: string;
  /** New at every start of the process. */
  bootId: string;
  name: string;
  version: string;
  format: number;
  peerAddress: string;
  httpUrl: string;
  adminUrl: string;
  workers: number;
  /** It takes MapDelta and deflated frames; a node that does not is sent whole maps, as they are. */
  takesDeltas: boolean;
}

export interface Heartbeat {
  sentAtMs: number;
}

/** Answers a heartbeat; sent unasked when a copy's state changed. */
export interface NodeReport {
  sentAtMs: number;
  /** Milliseconds since each worker last turned its loop; a stuck worker is a failed copy. */
  workerSilenceMs: number[];
  copies: CopyReport[];
  ready: boolean;
  draining: boolean;
  mapRevision: number;
  diskFreeBytes: number;
  memoryUsedBytes: number;
  /** Less disk is free than the node keeps for deletes: it adds nothing, and should lead nothing. */
  diskFull: boolean;
}

export interface CopyReport {
  shardUid: string;
  allocationId: string;
  historyId: string;
  term: number;
  mapVersion: number;
  /** primary | replica | activating | recovering | failed. */
  role: string;
  lastSeq: number;
  globalCheckpoint: number;
  appliedSeq: number;
  worker: number;
  documents: number;
  indexBytes: number;
  /** A reason code when failed. */
  reason: string;
  /** As primary: confirmed sequence numbers of the other copies. */
  lag: CopyLag[];
  /** Set while the newest map has no record of the shard, or an older one than the copy was given, and while the copy, after a restart, does not yet go by the newest that it was given. */
  kept?: KeptRecord;
}

/** What a copy proves of its shard's record when the record itself is lost. */
export interface KeptRecord {
  /** The newest record that the copy was ever given; it was on the copy's disk before the copy acted on it. */
  shard?: MapShard;
  /** No map of a leader before this one is followed any more, not even after a restart. */
  leaderEpoch: number;
  /** All maps up to this one had been taken when this was said. */
  mapRevision: number;
}

export interface CopyLag {
  allocationId: string;
  confirmed: number;
  silenceMs: number;
  /** Age of the oldest entry that the primary has on disk and the copy has not confirmed. */
  behindMs: number;
}

export interface ClusterMap {
  clusterId: string;
  clusterName: string;
  /** Grows with every map of one control plane; the coordinator ignores older ones. Copies go by the version of their own shard record instead. */
  revision: number;
  leaderEpoch: number;
  /** The cluster's settings (spec of PrismCluster) as JSON. */
  settingsJson: Uint8Array;
  nodes: MapNode[];
  collections: MapCollection[];
  shards: MapShard[];
  /** Uids of collections whose deletion is on record, newest last: the only proof by which a node deletes the data of a collection that the map does not have. */
  deletedCollections: string[];
}

/** What is to be changed in a map that the node took from the same stream, of any revision from base_revision on: everything that differs between that revision and this one is in it. */
export interface MapDelta {
  baseRevision: number;
  /** Its identity and revision; nodes, collections and shards that are new or others now. Without settings_json, settings and deleted_collections are as before. */
  changed?: ClusterMap;
  removedNodes: string[];
  /** Uids. */
  removedCollections: string[];
  removedShards: string[];
}

export interface MapNode {
  nodeId: string;
  name: string;
  peerAddress: string;
  httpUrl: string;
  zone: string;
  rack: string;
  region: string;
  attributes: Record<string, string>;
  /** alive | suspect | dead. */
  state: string;
  bootId: string;
}

export interface MapCollection {
  uid: string;
  name: string;
  /** The PrismCollection spec as JSON. */
  specJson: Uint8Array;
  generation: number;
}

export interface MapShard {
  uid: string;
  collectionUid: string;
  number: number;
  version: number;
  term: number;
  historyId: string;
  primary: string;
  inSync: string[];
  recovering: string[];
  copies: MapCopy[];
  /** Nonce of the shard's making: only a record that still carries it may be given empty data. */
  bootstrap: string;
}

export interface MapCopy {
  allocationId: string;
  nodeId: string;
  zone: string;
}

export interface MapApplied {
  /** Of the map that the node goes by. */
  revision: number;
  /** A delta came for which the node has no base: the next map has to be whole. */
  needsWhole: boolean;
}

/** A primary asks for a change of its shard's record. There is no success answer: only a newer map confirms (protocol section 7.4); CopyAnswer carries refusals, as advice. */
export interface CopyRequest {
  shardUid: string;
  /** addInSync | removeCopy | promote. */
  action: string;
  allocationId: string;
  term: number;
  /** A reason code. */
  reason: string;
}

export interface CopyAnswer {
  shardUid: string;
  allocationId: string;
  refusal: string;
}

/** A collection made, changed or deleted over HTTP goes up to the control plane, which owns the object. */
export interface CollectionRequest {
  /** create | patch | delete. */
  action: string;
  name: string;
  specJson: Uint8Array;
}

export interface CollectionAnswer {
  /** created | unchanged | updated | deleted; empty when error is set. */
  result: string;
  specJson: Uint8Array;
  error?: CallError;
}

/** Sent by a node that is about to leave: hand its primaries to other copies. */
export interface Drain {
  reason: string;
}

/** The cluster's status, sent to nodes so that any of them answers GET /status. */
export interface StatusReport {
  statusJson: Uint8Array;
}

const codec = codecsOf(
  JSON.parse(
    '{"nested":{"prism":{"nested":{"node":{"nested":{"v1":{"nested":{"PeerFrame":{"fields":{"id":{"type":"uint64","id":1},"kind":{"type":"uint32","id":2},"call":{"type":"uint32","id":3},"shard":{"type":"string","id":4},"timeoutMs":{"type":"uint32","id":5,"protoName":"timeout_ms"},"payload":{"type":"bytes","id":6},"error":{"type":"CallError","id":7}}},"PeerFrames":{"fields":{"frames":{"rule":"repeated","type":"PeerFrame","id":1}}},"PeerHello":{"fields":{"clusterId":{"type":"string","id":1,"protoName":"cluster_id"},"nodeId":{"type":"string","id":2,"protoName":"node_id"},"bootId":{"type":"string","id":3,"protoName":"boot_id"}}},"CallError":{"fields":{"code":{"type":"string","id":1},"detail":{"type":"string","id":2},"executed":{"type":"string","id":3},"errorsJson":{"type":"bytes","id":4,"protoName":"errors_json"},"primaryNode":{"type":"string","id":5,"protoName":"primary_node"}}},"WriteRequest":{"fields":{"items":{"rule":"repeated","type":"WriteItem","id":1}}},"WriteItem":{"fields":{"operationId":{"type":"string","id":1,"protoName":"operation_id"},"action":{"type":"uint32","id":2},"id":{"type":"string","id":3},"document":{"type":"bytes","id":4},"ifMatch":{"type":"string","id":5,"protoName":"if_match"},"ifNoneMatch":{"type":"bool","id":6,"protoName":"if_none_match"}}},"WriteResponse":{"fields":{"outcomes":{"rule":"repeated","type":"WriteOutcome","id":1},"historyId":{"type":"string","id":2,"protoName":"history_id"},"copies":{"type":"uint32","id":3},"zones":{"type":"uint32","id":4}}},"WriteOutcome":{"fields":{"result":{"type":"string","id":1},"term":{"type":"uint64","id":2},"seq":{"type":"uint64","id":3},"error":{"type":"CallError","id":4}}},"ReadLevel":{"fields":{"minimumSeq":{"type":"uint64","id":1,"protoName":"minimum_seq"},"historyId":{"type":"string","id":2,"protoName":"history_id"},"kind":{"type":"uint32","id":3},"maxStalenessMs":{"type":"uint32","id":4,"protoName":"max_staleness_ms"}}},"GetRequest":{"fields":{"id":{"type":"string","id":1},"read":{"type":"ReadLevel","id":2},"include":{"rule":"repeated","type":"string","id":3},"hasInclude":{"type":"bool","id":4,"protoName":"has_include"}}},"GetResponse":{"fields":{"found":{"type":"bool","id":1},"document":{"type":"Document","id":2},"appliedSeq":{"type":"uint64","id":3,"protoName":"applied_seq"},"historyId":{"type":"string","id":4,"protoName":"history_id"}}},"Document":{"fields":{"id":{"type":"string","id":1},"fields":{"type":"bytes","id":2},"term":{"type":"uint64","id":3},"seq":{"type":"uint64","id":4}}},"StatisticsRequest":{"fields":{"fields":{"rule":"repeated","type":"FieldTerms","id":1},"read":{"type":"ReadLevel","id":2}}},"FieldTerms":{"fields":{"field":{"type":"string","id":1},"query":{"type":"string","id":2}}},"StatisticsResponse":{"fields":{"fields":{"rule":"repeated","type":"FieldStatistics","id":1},"appliedSeq":{"type":"uint64","id":2,"protoName":"applied_seq"},"historyId":{"type":"string","id":3,"protoName":"history_id"}}},"FieldStatistics":{"fields":{"field":{"type":"string","id":1},"documents":{"type":"uint64","id":2},"totalLength":{"type":"uint64","id":3,"protoName":"total_length"},"terms":{"rule":"repeated","type":"TermStatistics","id":4}}},"TermStatistics":{"fields":{"term":{"type":"string","id":1},"documentFrequency":{"type":"uint64","id":2,"protoName":"document_frequency"}}},"SearchRequest":{"fields":{"queryJson":{"type":"bytes","id":1,"protoName":"query_json"},"vectors":{"rule":"repeated","type":"bytes","id":2},"statistics":{"rule":"repeated","type":"FieldStatistics","id":3},"read":{"type":"ReadLevel","id":4},"fetchLimit":{"type":"uint32","id":5,"protoName":"fetch_limit"},"fetchOffset":{"type":"uint32","id":6,"protoName":"fetch_offset"},"include":{"rule":"repeated","type":"string","id":7},"hasInclude":{"type":"bool","id":8,"protoName":"has_include"},"rankingJson":{"type":"bytes","id":9,"protoName":"ranking_json"}}},"SearchResponse":{"fields":{"lists":{"rule":"repeated","type":"HitList","id":1},"total":{"type":"uint64","id":2},"aggregationsJson":{"type":"bytes","id":3,"protoName":"aggregations_json"},"appliedSeq":{"type":"uint64","id":4,"protoName":"applied_seq"},"historyId":{"type":"string","id":5,"protoName":"history_id"},"explainJson":{"type":"bytes","id":6,"protoName":"explain_json"},"documents":{"rule":"repeated","type":"Document","id":7},"page":{"rule":"repeated","type":"RankedHit","id":8}}},"RankedHit":{"fields":{"id":{"type":"string","id":1},"scores":{"type":"bytes","id":2},"queries":{"rule":"repeated","type":"uint32","id":3},"ranks":{"rule":"repeated","type":"uint32","id":4}}},"HitList":{"fields":{"ids":{"rule":"repeated","type":"string","id":1},"scores":{"type":"bytes","id":2}}},"FetchRequest":{"fields":{"ids":{"rule":"repeated","type":"string","id":1},"include":{"rule":"repeated","type":"string","id":2},"hasInclude":{"type":"bool","id":3,"protoName":"has_include"},"read":{"type":"ReadLevel","id":4}}},"FetchResponse":{"fields":{"documents":{"rule":"repeated","type":"Document","id":1}}},"ScanRequest":{"fields":{"after":{"type":"string","id":1},"limit":{"type":"uint32","id":2},"include":{"rule":"repeated","type":"string","id":3},"hasInclude":{"type":"bool","id":4,"protoName":"has_include"},"read":{"type":"ReadLevel","id":5}}},"ScanResponse":{"fields":{"documents":{"rule":"repeated","type":"Document","id":1},"appliedSeq":{"type":"uint64","id":2,"protoName":"applied_seq"},"historyId":{"type":"string","id":3,"protoName":"history_id"}}},"VerifyRequest":{"fields":{"verificationId":{"type":"string","id":1,"protoName":"verification_id"},"step":{"type":"uint32","id":2},"buckets":{"rule":"repeated","type":"uint32","id":3}}},"VerifyResponse":{"fields":{"state":{"type":"uint32","id":1},"allocationId":{"type":"string","id":2,"protoName":"allocation_id"},"seq":{"type":"uint64","id":3},"documents":{"type":"uint64","id":4},"operations":{"type":"uint64","id":5},"indexed":{"type":"uint64","id":6},"digests":{"type":"bytes","id":7},"operationsDigest":{"type":"bytes","id":8,"protoName":"operations_digest"},"listed":{"rule":"repeated","type":"VerifiedDocument","id":9}}},"VerifiedDocument":{"fields":{"id":{"type":"string","id":1},"term":{"type":"uint64","id":2},"seq":{"type":"uint64","id":3},"digest":{"type":"bytes","id":4}}},"ReplicationMessage":{"oneofs":{"body":{"oneof":["replicate","replicateOk","mismatch","higherTerm","snapshotChunk","snapshotAck","termCheck","termCheckOk","freshnessAsk","freshness"]}},"fields":{"shardUid":{"type":"string","id":1,"protoName":"shard_uid"},"historyId":{"type":"string","id":2,"protoName":"history_id"},"from":{"type":"string","id":3},"to":{"type":"string","id":4},"term":{"type":"uint64","id":5},"replicate":{"type":"Replicate","id":10},"replicateOk":{"type":"ReplicateOk","id":11,"protoName":"replicate_ok"},"mismatch":{"type":"Mismatch","id":12},"higherTerm":{"type":"HigherTerm","id":13,"protoName":"higher_term"},"snapshotChunk":{"type":"SnapshotChunk","id":14,"protoName":"snapshot_chunk"},"snapshotAck":{"type":"SnapshotAck","id":15,"protoName":"snapshot_ack"},"termCheck":{"type":"TermCheck","id":16,"protoName":"term_check"},"termCheckOk":{"type":"TermCheckOk","id":17,"protoName":"term_check_ok"},"freshnessAsk":{"type":"FreshnessAsk","id":18,"protoName":"freshness_ask"},"freshness":{"type":"Freshness","id":19}}},"Replicate":{"fields":{"previousSeq":{"type":"uint64","id":1,"protoName":"previous_seq"},"previousTerm":{"type":"uint64","id":2,"protoName":"previous_term"},"entries":{"type":"bytes","id":3},"globalCheckpoint":{"type":"uint64","id":4,"protoName":"global_checkpoint"}}},"ReplicateOk":{"fields":{"confirmed":{"type":"uint64","id":1},"globalCheckpoint":{"type":"uint64","id":2,"protoName":"global_checkpoint"}}},"Mismatch":{"fields":{"globalCheckpoint":{"type":"uint64","id":1,"protoName":"global_checkpoint"},"lastSeq":{"type":"uint64","id":2,"protoName":"last_seq"}}},"HigherTerm":{"fields":{}},"SnapshotChunk":{"fields":{"snapshotId":{"type":"string","id":1,"protoName":"snapshot_id"},"number":{"type":"uint32","id":2},"last":{"type":"bool","id":3},"lastSeq":{"type":"uint64","id":4,"protoName":"last_seq"},"lastTerm":{"type":"uint64","id":5,"protoName":"last_term"},"documents":{"rule":"repeated","type":"SnapshotDocument","id":6},"operations":{"rule":"repeated","type":"SnapshotOperation","id":7}}},"SnapshotDocument":{"fields":{"id":{"type":"string","id":1},"record":{"type":"bytes","id":2},"term":{"type":"uint64","id":3},"seq":{"type":"uint64","id":4}}},"SnapshotOperation":{"fields":{"operationId":{"type":"string","id":1,"protoName":"operation_id"},"seq":{"type":"uint64","id":2},"term":{"type":"uint64","id":3},"result":{"type":"string","id":4},"timeMs":{"type":"uint64","id":5,"protoName":"time_ms"}}},"SnapshotAck":{"fields":{"snapshotId":{"type":"string","id":1,"protoName":"snapshot_id"},"number":{"type":"uint32","id":2},"installed":{"type":"bool","id":3},"restart":{"type":"bool","id":4},"busy":{"type":"bool","id":5}}},"TermCheck":{"fields":{"nonce":{"type":"string","id":1}}},"TermCheckOk":{"fields":{"nonce":{"type":"string","id":1}}},"FreshnessAsk":{"fields":{"nonce":{"type":"string","id":1},"maxAgeMs":{"type":"uint32","id":2,"protoName":"max_age_ms"}}},"Freshness":{"fields":{"nonce":{"type":"string","id":1},"ageMs":{"type":"uint32","id":2,"protoName":"age_ms"},"globalCheckpoint":{"type":"uint64","id":3,"protoName":"global_checkpoint"}}},"ControlFrame":{"oneofs":{"body":{"oneof":["hello","nodeHello","heartbeat","report","map","mapApplied","copyRequest","copyAnswer","collectionRequest","collectionAnswer","drain","status","mapDelta","deflated"]}},"fields":{"id":{"type":"uint64","id":1},"hello":{"type":"ControlHello","id":2},"nodeHello":{"type":"NodeHello","id":3,"protoName":"node_hello"},"heartbeat":{"type":"Heartbeat","id":4},"report":{"type":"NodeReport","id":5},"map":{"type":"ClusterMap","id":6},"mapApplied":{"type":"MapApplied","id":7,"protoName":"map_applied"},"copyRequest":{"type":"CopyRequest","id":8,"protoName":"copy_request"},"copyAnswer":{"type":"CopyAnswer","id":9,"protoName":"copy_answer"},"collectionRequest":{"type":"CollectionRequest","id":10,"protoName":"collection_request"},"collectionAnswer":{"type":"CollectionAnswer","id":11,"protoName":"collection_answer"},"drain":{"type":"Drain","id":12},"status":{"type":"StatusReport","id":13},"mapDelta":{"type":"MapDelta","id":14,"protoName":"map_delta"},"deflated":{"type":"DeflatedFrame","id":15}}},"DeflatedFrame":{"fields":{"frame":{"type":"bytes","id":1}}},"ControlHello":{"fields":{"clusterId":{"type":"string","id":1,"protoName":"cluster_id"},"clusterName":{"type":"string","id":2,"protoName":"cluster_name"},"leaderEpoch":{"type":"uint64","id":3,"protoName":"leader_epoch"}}},"NodeHello":{"fields":{"clusterId":{"type":"string","id":1,"protoName":"cluster_id"},"nodeId":{"type":"string","id":2,"protoName":"node_id"},"bootId":{"type":"string","id":3,"protoName":"boot_id"},"name":{"type":"string","id":4},"version":{"type":"string","id":5},"format":{"type":"uint32","id":6},"peerAddress":{"type":"string","id":7,"protoName":"peer_address"},"httpUrl":{"type":"string","id":8,"protoName":"http_url"},"adminUrl":{"type":"string","id":9,"protoName":"admin_url"},"workers":{"type":"uint32","id":10},"takesDeltas":{"type":"bool","id":11,"protoName":"takes_deltas"}}},"Heartbeat":{"fields":{"sentAtMs":{"type":"uint64","id":1,"protoName":"sent_at_ms"}}},"NodeReport":{"fields":{"sentAtMs":{"type":"uint64","id":1,"protoName":"sent_at_ms"},"workerSilenceMs":{"rule":"repeated","type":"uint32","id":2,"protoName":"worker_silence_ms"},"copies":{"rule":"repeated","type":"CopyReport","id":3},"ready":{"type":"bool","id":4},"draining":{"type":"bool","id":5},"mapRevision":{"type":"uint64","id":6,"protoName":"map_revision"},"diskFreeBytes":{"type":"uint64","id":7,"protoName":"disk_free_bytes"},"memoryUsedBytes":{"type":"uint64","id":8,"protoName":"memory_used_bytes"},"diskFull":{"type":"bool","id":9,"protoName":"disk_full"}}},"CopyReport":{"fields":{"shardUid":{"type":"string","id":1,"protoName":"shard_uid"},"allocationId":{"type":"string","id":2,"protoName":"allocation_id"},"historyId":{"type":"string","id":3,"protoName":"history_id"},"term":{"type":"uint64","id":4},"mapVersion":{"type":"uint64","id":5,"protoName":"map_version"},"role":{"type":"string","id":6},"lastSeq":{"type":"uint64","id":7,"protoName":"last_seq"},"globalCheckpoint":{"type":"uint64","id":8,"protoName":"global_checkpoint"},"appliedSeq":{"type":"uint64","id":9,"protoName":"applied_seq"},"worker":{"type":"uint32","id":10},"documents":{"type":"uint64","id":11},"indexBytes":{"type":"uint64","id":12,"protoName":"index_bytes"},"reason":{"type":"string","id":13},"lag":{"rule":"repeated","type":"CopyLag","id":14},"kept":{"type":"KeptRecord","id":15}}},"KeptRecord":{"fields":{"shard":{"type":"MapShard","id":1},"leaderEpoch":{"type":"uint64","id":2,"protoName":"leader_epoch"},"mapRevision":{"type":"uint64","id":3,"protoName":"map_revision"}}},"CopyLag":{"fields":{"allocationId":{"type":"string","id":1,"protoName":"allocation_id"},"confirmed":{"type":"uint64","id":2},"silenceMs":{"type":"uint32","id":3,"protoName":"silence_ms"},"behindMs":{"type":"uint32","id":4,"protoName":"behind_ms"}}},"ClusterMap":{"fields":{"clusterId":{"type":"string","id":1,"protoName":"cluster_id"},"clusterName":{"type":"string","id":2,"protoName":"cluster_name"},"revision":{"type":"uint64","id":3},"leaderEpoch":{"type":"uint64","id":4,"protoName":"leader_epoch"},"settingsJson":{"type":"bytes","id":5,"protoName":"settings_json"},"nodes":{"rule":"repeated","type":"MapNode","id":6},"collections":{"rule":"repeated","type":"MapCollection","id":7},"shards":{"rule":"repeated","type":"MapShard","id":8},"deletedCollections":{"rule":"repeated","type":"string","id":9,"protoName":"deleted_collections"}}},"MapDelta":{"fields":{"baseRevision":{"type":"uint64","id":1,"protoName":"base_revision"},"changed":{"type":"ClusterMap","id":2},"removedNodes":{"rule":"repeated","type":"string","id":3,"protoName":"removed_nodes"},"removedCollections":{"rule":"repeated","type":"string","id":4,"protoName":"removed_collections"},"removedShards":{"rule":"repeated","type":"string","id":5,"protoName":"removed_shards"}}},"MapNode":{"fields":{"nodeId":{"type":"string","id":1,"protoName":"node_id"},"name":{"type":"string","id":2},"peerAddress":{"type":"string","id":3,"protoName":"peer_address"},"httpUrl":{"type":"string","id":4,"protoName":"http_url"},"zone":{"type":"string","id":5},"rack":{"type":"string","id":6},"region":{"type":"string","id":7},"attributes":{"keyType":"string","type":"string","id":8},"state":{"type":"string","id":9},"bootId":{"type":"string","id":10,"protoName":"boot_id"}}},"MapCollection":{"fields":{"uid":{"type":"string","id":1},"name":{"type":"string","id":2},"specJson":{"type":"bytes","id":3,"protoName":"spec_json"},"generation":{"type":"uint64","id":4}}},"MapShard":{"fields":{"uid":{"type":"string","id":1},"collectionUid":{"type":"string","id":2,"protoName":"collection_uid"},"number":{"type":"uint32","id":3},"version":{"type":"uint64","id":4},"term":{"type":"uint64","id":5},"historyId":{"type":"string","id":6,"protoName":"history_id"},"primary":{"type":"string","id":7},"inSync":{"rule":"repeated","type":"string","id":8,"protoName":"in_sync"},"recovering":{"rule":"repeated","type":"string","id":9},"copies":{"rule":"repeated","type":"MapCopy","id":10},"bootstrap":{"type":"string","id":11}}},"MapCopy":{"fields":{"allocationId":{"type":"string","id":1,"protoName":"allocation_id"},"nodeId":{"type":"string","id":2,"protoName":"node_id"},"zone":{"type":"string","id":3}}},"MapApplied":{"fields":{"revision":{"type":"uint64","id":1},"needsWhole":{"type":"bool","id":2,"protoName":"needs_whole"}}},"CopyRequest":{"fields":{"shardUid":{"type":"string","id":1,"protoName":"shard_uid"},"action":{"type":"string","id":2},"allocationId":{"type":"string","id":3,"protoName":"allocation_id"},"term":{"type":"uint64","id":4},"reason":{"type":"string","id":5}}},"CopyAnswer":{"fields":{"shardUid":{"type":"string","id":1,"protoName":"shard_uid"},"allocationId":{"type":"string","id":2,"protoName":"allocation_id"},"refusal":{"type":"string","id":3}}},"CollectionRequest":{"fields":{"action":{"type":"string","id":1},"name":{"type":"string","id":2},"specJson":{"type":"bytes","id":3,"protoName":"spec_json"}}},"CollectionAnswer":{"fields":{"result":{"type":"string","id":1},"specJson":{"type":"bytes","id":2,"protoName":"spec_json"},"error":{"type":"CallError","id":3}}},"Drain":{"fields":{"reason":{"type":"string","id":1}}},"StatusReport":{"fields":{"statusJson":{"type":"bytes","id":1,"protoName":"status_json"}}}}}}}}}}}',
  ),
  "prism.node.v1",
);

export const PeerFrame: Codec<PeerFrame> = codec("PeerFrame");
export const PeerFrames: Codec<PeerFrames> = codec("PeerFrames");
export const PeerHello: Codec<PeerHello> = codec("PeerHello");
export const CallError: Codec<CallError> = codec("CallError");
export const WriteRequest: Codec<WriteRequest> = codec("WriteRequest");
export const WriteItem: Codec<WriteItem> = codec("WriteItem");
export const WriteResponse: Codec<WriteResponse> = codec("WriteResponse");
export const WriteOutcome: Codec<WriteOutcome> = codec("WriteOutcome");
export const ReadLevel: Codec<ReadLevel> = codec("ReadLevel");
export const GetRequest: Codec<GetRequest> = codec("GetRequest");
export const GetResponse: Codec<GetResponse> = codec("GetResponse");
export const Document: Codec<Document> = codec("Document");
export const StatisticsRequest: Codec<StatisticsRequest> = codec("StatisticsRequest");
export const FieldTerms: Codec<FieldTerms> = codec("FieldTerms");
export const StatisticsResponse: Codec<StatisticsResponse> = codec("StatisticsResponse");
export const FieldStatistics: Codec<FieldStatistics> = codec("FieldStatistics");
export const TermStatistics: Codec<TermStatistics> = codec("TermStatistics");
export const SearchRequest: Codec<SearchRequest> = codec("SearchRequest");
export const SearchResponse: Codec<SearchResponse> = codec("SearchResponse");
export const RankedHit: Codec<RankedHit> = codec("RankedHit");
export const HitList: Codec<HitList> = codec("HitList");
export const FetchRequest: Codec<FetchRequest> = codec("FetchRequest");
export const FetchResponse: Codec<FetchResponse> = codec("FetchResponse");
export const ScanRequest: Codec<ScanRequest> = codec("ScanRequest");
export const ScanResponse: Codec<ScanResponse> = codec("ScanResponse");
export const VerifyRequest: Codec<VerifyRequest> = codec("VerifyRequest");
export const VerifyResponse: Codec<VerifyResponse> = codec("VerifyResponse");
export const VerifiedDocument: Codec<VerifiedDocument> = codec("VerifiedDocument");
export const ReplicationMessage: Codec<ReplicationMessage> = codec("ReplicationMessage");
export const Replicate: Codec<Replicate> = codec("Replicate");
export const ReplicateOk: Codec<ReplicateOk> = codec("ReplicateOk");
export const Mismatch: Codec<Mismatch> = codec("Mismatch");
export const HigherTerm: Codec<HigherTerm> = codec("HigherTerm");
export const SnapshotChunk: Codec<SnapshotChunk> = codec("SnapshotChunk");
export const SnapshotDocument: Codec<SnapshotDocument> = codec("SnapshotDocument");
export const SnapshotOperation: Codec<SnapshotOperation> = codec("SnapshotOperation");
export const SnapshotAck: Codec<SnapshotAck> = codec("SnapshotAck");
export const TermCheck: Codec<TermCheck> = codec("TermCheck");
export const TermCheckOk: Codec<TermCheckOk> = codec("TermCheckOk");
export const FreshnessAsk: Codec<FreshnessAsk> = codec("FreshnessAsk");
export const Freshness: Codec<Freshness> = codec("Freshness");
export const ControlFrame: Codec<ControlFrame> = codec("ControlFrame");
export const DeflatedFrame: Codec<DeflatedFrame> = codec("DeflatedFrame");
export const ControlHello: Codec<ControlHello> = codec("ControlHello");
export const NodeHello: Codec<NodeHello> = codec("NodeHello");
export const Heartbeat: Codec<Heartbeat> = codec("Heartbeat");
export const NodeReport: Codec<NodeReport> = codec("NodeReport");
export const CopyReport: Codec<CopyReport> = codec("CopyReport");
export const KeptRecord: Codec<KeptRecord> = codec("KeptRecord");
export const CopyLag: Codec<CopyLag> = codec("CopyLag");
export const ClusterMap: Codec<ClusterMap> = codec("ClusterMap");
export const MapDelta: Codec<MapDelta> = codec("MapDelta");
export const MapNode: Codec<MapNode> = codec("MapNode");
export const MapCollection: Codec<MapCollection> = codec("MapCollection");
export const MapShard: Codec<MapShard> = codec("MapShard");
export const MapCopy: Codec<MapCopy> = codec("MapCopy");
export const MapApplied: Codec<MapApplied> = codec("MapApplied");
export const CopyRequest: Codec<CopyRequest> = codec("CopyRequest");
export const CopyAnswer: Codec<CopyAnswer> = codec("CopyAnswer");
export const CollectionRequest: Codec<CollectionRequest> = codec("CollectionRequest");
export const CollectionAnswer: Codec<CollectionAnswer> = codec("CollectionAnswer");
export const Drain: Codec<Drain> = codec("Drain");
export const StatusReport: Codec<StatusReport> = codec("StatusReport");
