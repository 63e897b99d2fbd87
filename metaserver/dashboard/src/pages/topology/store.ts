// The topology as this page knows it. It is fetched whole; live deltas then change rows in place and tell only those who
// draw them: the canvas, an open panel. Nothing here makes the page's tree render for a tick.

import { useEffect, useSyncExternalStore } from "react";
import type { DiskView, NodeView, Topology, TopologyLoad } from "../../api/types";
import { useTopic } from "../../api/live";
import { forget, useGet } from "../../api/queries";
import type { Failure } from "../../api/client";

export class TopologyStore {
  nodes = new Map<number, NodeView>();
  disks = new Map<number, DiskView>();
  epoch = 0;
  /** Moves with every change; rows are changed in place. */
  version = 0;
  /** Moves when nodes, disks or their places change. */
  structure = 0;
  private readonly watchers = new Set<() => void>();

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };
  getVersion = (): number => this.version;
  getStructure = (): number => this.structure;

  load(topology: Topology): void {
    this.nodes = new Map(topology.nodes.map((node) => [node.id, node]));
    this.disks = new Map(topology.disks.map((disk) => [disk.id, disk]));
    this.epoch = topology.map_epoch;
    this.structure += 1;
    this.tell();
  }

  /** True: the map moved on, what is here is to be fetched anew. */
  apply(load: TopologyLoad): boolean {
    for (const [id, used, free, liveness, read, write, heat] of load.disks) {
      const disk = this.disks.get(id);
      if (!disk) continue;
      disk.used_bytes = used;
      disk.free_bytes = free;
      disk.liveness = liveness;
      disk.read_bytes = read;
      disk.write_bytes = write;
      disk.load = heat;
    }
    for (const [id, liveness, silent] of load.nodes) {
      const node = this.nodes.get(id);
      if (!node) continue;
      node.liveness = liveness;
      node.silent_ms = silent;
    }
    this.tell();
    return load.map_epoch !== this.epoch;
  }

  disksOf(node: number): DiskView[] {
    return [...this.disks.values()].filter((disk) => disk.node === node);
  }

  private tell(): void {
    this.version += 1;
    for (const watcher of [...this.watchers]) watcher();
  }
}

const store = new TopologyStore();
let asked = 0;

function onLoad(load: TopologyLoad): void {
  if (!store.apply(load)) return;
  // Once in two seconds is enough, however fast the map moves.
  if (Date.now() - asked < 2_000) return;
  asked = Date.now();
  void forget("/topology");
}

/** Fetches and follows the topology; renders again only when its structure changes. */
export function useTopology(): { store: TopologyStore; ready: boolean; error: Failure | null; retry: () => void } {
  const { data, error, refetch } = useGet<Topology>("/topology", {}, { every: "poll" });
  useEffect(() => {
    if (data) store.load(structuredClone(data));
  }, [data]);
  useTopic<TopologyLoad>("topology", onLoad);
  useSyncExternalStore(store.watch, store.getStructure);
  return { store, ready: store.structure > 0, error: store.structure > 0 ? null : error, retry: () => void refetch() };
}

/** Renders with every tick: for a panel, not for a page. */
export function useTick(): TopologyStore {
  useSyncExternalStore(store.watch, store.getVersion);
  return store;
}

/** After a change: everything that shows it is asked for again. */
export const refresh = (): Promise<unknown> => forget("/topology", "/nodes", "/disks", "/procedures", "/overview");
