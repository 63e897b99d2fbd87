import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiskView, NodeView } from "../../api/types";
import { hit, layOut, step, type Box } from "./layout";

function cluster(nodes: number, perNode: number) {
  const made = Array.from({ length: nodes }, (_, at) => ({ id: at + 1, zone: `z${at % 3}`, rack: `r${at % 5}` }) as NodeView);
  const disks = made.flatMap((node) =>
    Array.from({ length: perNode }, (_, at) => ({ id: node.id * 100 + at, node: node.id }) as DiskView),
  );
  return { made, disks };
}

const apart = (a: Box, b: Box) => a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;

test("every disk has a place of its own, inside the map", () => {
  for (const [nodes, perNode, width] of [[1, 1, 320], [6, 6, 1130], [6, 40, 700], [100, 10, 1130], [100, 10, 330]] as const) {
    const { made, disks } = cluster(nodes, perNode);
    const layout = layOut(made, disks, width);
    assert.equal(layout.disks.length, disks.length);
    for (const box of layout.disks) {
      assert.ok(box.x >= 0 && box.x + box.w <= width, `${nodes} nodes in ${width}: ${box.x}`);
      assert.ok(box.y + box.h <= layout.height);
      assert.deepEqual(hit(layout, box.x + box.w / 2, box.y + box.h / 2), { disk: box.disk });
    }
    layout.zones.forEach((zone, at) => layout.zones.slice(at + 1).forEach((other) => assert.ok(apart(zone, other))));
  }
});

test("arrow keys reach the neighbours and stop at the edge", () => {
  const { made, disks } = cluster(3, 4);
  const layout = layOut(made, disks, 900);
  const first = layout.disks[0]!.disk;
  assert.equal(step(layout, null, "ArrowRight"), first);
  assert.equal(step(layout, first, "ArrowRight"), layout.disks[1]!.disk);
  assert.equal(step(layout, first, "ArrowLeft"), first);
});

test("no disks, no nodes: an empty map", () => {
  assert.equal(layOut([], [], 800).disks.length, 0);
});
