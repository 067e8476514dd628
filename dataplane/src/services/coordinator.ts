/** The use cases of the public API on this node's ports. */
import type { Limits } from "@prism/api/limits";
import { BulkService } from "./bulk.js";
import { ClusterDirectory } from "./cluster-directory.js";
import type { ClusterView } from "./cluster-view.js";
import { CollectionService } from "./collections.js";
import type { ControlPlane } from "./control-plane.js";
import { CopyReader, type HedgeSettings } from "./copy-reader.js";
import { DataLossService } from "./data-loss.js";
import { DocumentService } from "./documents.js";
import { LevelReader } from "./level-reader.js";
import { NodeTraffic } from "./node-traffic.js";
import { PrimaryReader } from "./primary-reader.js";
import { Searchability } from "./searchability.js";
import { SearchService } from "./search.js";
import type { ShardCalls } from "./shard-calls.js";
import { ShardWriter } from "./shard-writer.js";
import { StatusService } from "./status.js";
import { VerifyService } from "./verify.js";

export interface CoordinatorPorts {
  readonly view: ClusterView;
  readonly calls: ShardCalls;
  readonly controlPlane: ControlPlane;
  readonly limits: Limits;
  readonly hedge?: HedgeSettings;
}

export interface Coordinator {
  readonly directory: ClusterDirectory;
  readonly search: SearchService;
  readonly documents: DocumentService;
  readonly bulk: BulkService;
  readonly collections: CollectionService;
  readonly status: StatusService;
  readonly verify: VerifyService;
  readonly dataLoss: DataLossService;
}

const DEFAULT_HEDGE: HedgeSettings = { silentAfterMs: 150, share: 0.3 };

export function createCoordinator(ports: CoordinatorPorts): Coordinator {
  const { view, calls, controlPlane, limits, hedge = DEFAULT_HEDGE } = ports;
  const directory = new ClusterDirectory(view);
  const traffic = new NodeTraffic(calls, hedge.silentAfterMs);
  const reader = new CopyReader(calls, directory, traffic, hedge);
  const levels = new LevelReader(reader, new PrimaryReader(calls, directory, traffic));
  const searchability = new Searchability(calls, directory);
  const writer = new ShardWriter(calls, directory, traffic);
  return {
    directory,
    search: new SearchService(directory, levels, reader, limits),
    documents: new DocumentService(directory, levels, writer, searchability, limits),
    bulk: new BulkService(directory, writer, searchability, limits),
    collections: new CollectionService(directory, controlPlane, limits),
    status: new StatusService(directory, controlPlane),
    dataLoss: new DataLossService(directory, controlPlane),
    verify: new VerifyService(directory, calls, writer, limits),
  };
}
