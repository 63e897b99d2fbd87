// What an administrator does to nodes and disks of the mock.

import { beginDrain, disksOf, log, procedure } from "./cluster.mjs";
import { why } from "./reasons.mjs";

const MIB = 2 ** 20;

function result(cluster, all, against, ask, more = {}) {
  const bytes = all.reduce((total, disk) => total + disk.used_bytes, 0);
  return {
    groups: all.reduce((total, disk) => total + disk.groups, 0),
    bytes,
    against,
    already: false,
    preview: Boolean(ask.preview),
    allowed: against.length === 0 || Boolean(ask.force),
    proofs: [],
    eta_seconds: Math.round(bytes / (210 * MIB)),
    ...more,
  };
}

const refuse = (message) => ({ refused: { code: "precondition_failed", message } });

function end(cluster, target) {
  cluster.procedures = cluster.procedures.filter((one) => one !== target.procedure);
  target.procedure = null;
}

export function steerDisk(cluster, disk, verb, ask, actor) {
  const all = [disk];
  const done = (action) => {
    cluster.epoch += 1;
    log(cluster, "change", action, disk.id, actor);
  };
  if (verb === "drain") {
    const against = disk.id % 7 === 0 ? [why("drain_stuck", { stuck: "12", groups: "40" })] : [];
    if (!ask.preview && against.length > 0 && !ask.force) return refuse(`disk d${disk.id}: ${against[0].message}`);
    if (!ask.preview && !disk.procedure) {
      beginDrain(cluster, disk, process.env.FAST ? 0.0001 : 1);
      done("disk.drain");
    }
    return result(cluster, all, against, ask, { already: disk.standing === "draining" && ask.preview });
  }
  if (verb === "resume") {
    if (!ask.preview) {
      end(cluster, disk);
      disk.standing = disk.effective_standing = "in";
      done("disk.resume");
    }
    return result(cluster, all, [], ask, { bytes: 0, eta_seconds: null });
  }
  if (verb === "replace") {
    if (disk.liveness === "alive") return refuse(`disk d${disk.id} answers and ${disk.groups} groups count on it: drain it, or stop its node, before another disk takes its place`);
    if (!ask.preview) {
      disk.lost = true;
      disk.procedure = procedure(cluster, "replacement", disk, cluster.nodes[disk.node - 1], { blocked: [why("waits_for_disk")], detail: why("replacement_awaited") });
      cluster.procedures.push(disk.procedure);
      done("disk.replace");
    }
    return result(cluster, all, [], ask);
  }
  if (disk.procedure?.kind !== "drain" || !disk.procedure.done) {
    return refuse(`disk d${disk.id}: it takes part: drain it first, and wait until it is empty`);
  }
  const proofs = [{ disk: disk.id, groups: 0, leaves: 0, answered: true, records: 812, elsewhere: 812, unknown: 0 }];
  if (!ask.preview) {
    end(cluster, disk);
    cluster.disks = cluster.disks.filter((one) => one !== disk);
    done("disk.remove");
  }
  return result(cluster, all, [], ask, { groups: 0, bytes: 0, proofs, eta_seconds: null });
}

export function steerNode(cluster, node, verb, ask, actor) {
  const all = disksOf(cluster, node.id);
  const done = (action) => {
    cluster.epoch += 1;
    log(cluster, "change", action, node.id, actor);
  };
  const stand = (standing) => {
    node.standing = standing;
    for (const disk of all) disk.effective_standing = standing === "in" ? disk.standing : standing;
  };
  if (verb === "maintenance") {
    const against = node.voter && cluster.nodes.some((one) => one.procedure) ? [why("absence_unreadable", { groups: "14", others: "4" })] : [];
    if (!ask.preview && against.length > 0 && !ask.force) return refuse(`node n${node.id}: ${against[0].message}`);
    if (!ask.preview) {
      stand("maintenance");
      node.procedure = procedure(cluster, "maintenance", null, node, { began: new Date().toISOString(), ends_in_seconds: ask.window_seconds ?? 3_600, detail: why("maintenance_here") });
      cluster.procedures.push(node.procedure);
      done("node.maintenance");
    }
    return result(cluster, all, against, ask, { bytes: 0, eta_seconds: null });
  }
  if (verb === "drain") {
    if (!ask.preview) {
      stand("draining");
      node.procedure = procedure(cluster, "drain", null, node, { began: new Date().toISOString() });
      cluster.procedures.push(node.procedure);
      done("node.drain");
    }
    return result(cluster, all, [], ask);
  }
  if (verb === "resume") {
    if (!ask.preview) {
      end(cluster, node);
      stand("in");
      done("node.resume");
    }
    return result(cluster, all, [], ask, { bytes: 0, eta_seconds: null });
  }
  if (node.leader) return refuse(`node n${node.id}: it leads the metadata group: hand over first`);
  if (!node.procedure?.done) return refuse(`node n${node.id}: it takes part: drain it first, and wait until it is empty`);
  if (!ask.preview) {
    end(cluster, node);
    cluster.nodes = cluster.nodes.filter((one) => one !== node);
    cluster.disks = cluster.disks.filter((one) => one.node !== node.id);
    done("node.remove");
  }
  return result(cluster, all, [], ask, { groups: 0, bytes: 0, eta_seconds: null });
}
