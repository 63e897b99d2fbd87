// How many failure domains of each kind there are: what a class needs at least.

import type { Topology } from "../../api/types";

export type Domain = "disk" | "host" | "rack" | "zone";
export const DOMAINS: Domain[] = ["disk", "host", "rack", "zone"];

/** Without a label, everything of that kind is one; hosts fall back to nodes. */
export function domainsOf(topology: Topology | undefined): Record<Domain, number> | null {
  if (!topology) return null;
  const used = new Set(topology.disks.filter((disk) => disk.standing !== "removed" && disk.standing !== "out").map((disk) => disk.node));
  const nodes = topology.nodes.filter((node) => used.has(node.id) && node.standing !== "removed");
  const count = (of: (node: (typeof nodes)[number]) => string) => new Set(nodes.map(of)).size;
  return {
    disk: topology.disks.filter((disk) => disk.standing !== "removed" && disk.standing !== "out").length,
    host: count((node) => `${node.zone}/${node.rack}/${node.host || `#${node.id}`}`),
    rack: count((node) => `${node.zone}/${node.rack}`),
    zone: count((node) => node.zone),
  };
}
