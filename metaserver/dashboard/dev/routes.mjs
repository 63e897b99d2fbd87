// The admin API of the mock: "METHOD /path/:with/:parts" → what it answers. Pages of other people add files of their
// own beside this one (`dev/routes-<page>.mjs`, default export: (cluster) => routes); they are found by name.

import { log } from "./cluster.mjs";
import { steerDisk, steerNode } from "./steer.mjs";
import { diskView, historyOf, overview, topology } from "./views.mjs";

const byId = (list, id) => list.find((one) => one.id === Number(id));

export default (cluster, options) => ({
  "GET /overview": () => overview(cluster, options),
  "GET /history": ({ query }) => historyOf(cluster, query.get("range") ?? "1h"),
  "GET /topology": () => topology(cluster),
  "GET /nodes/:id": ({ id }) => {
    const node = byId(cluster.nodes, id);
    return node && { ...node, disk_list: cluster.disks.filter((disk) => disk.node === node.id).map(diskView) };
  },
  "GET /disks/:id": ({ id }) => {
    const disk = byId(cluster.disks, id);
    return disk && { ...diskView(disk), node_view: byId(cluster.nodes, disk.node), scrub: null, group_ids: Array.from({ length: disk.groups }, (_, at) => at * 11 + disk.id) };
  },
  "PATCH /nodes/:id": ({ id, body, actor }) => {
    const node = byId(cluster.nodes, id);
    if (node) Object.assign(node, body);
    cluster.epoch += 1;
    log(cluster, "change", "node.change", id, actor);
    return node;
  },
  "PATCH /disks/:id": ({ id, body, actor }) => {
    const disk = byId(cluster.disks, id);
    if (disk) disk.weight = body.weight;
    cluster.epoch += 1;
    log(cluster, "change", "disk.change", id, actor);
    return disk && diskView(disk);
  },
  "POST /nodes/:id/:verb": ({ id, verb, body, actor }) => steerNode(cluster, byId(cluster.nodes, id), verb, body, actor),
  "POST /disks/:id/:verb": ({ id, verb, body, actor }) => steerDisk(cluster, byId(cluster.disks, id), verb, body, actor),
  "DELETE /nodes/:id": ({ id, query, actor }) => steerNode(cluster, byId(cluster.nodes, id), "remove", { preview: query.get("preview") === "true" }, actor),
  "DELETE /disks/:id": ({ id, query, actor }) => steerDisk(cluster, byId(cluster.disks, id), "remove", { preview: query.get("preview") === "true" }, actor),
  "GET /procedures": () => ({ items: cluster.procedures }),
  "GET /loops": () => ({ items: [{ name: "repair", state: "busy", detail: "14 tasks" }, { name: "gc", state: "idle", detail: "" }] }),
});
