import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser } from "./sse";

test("events come whole, however the stream is cut", () => {
  const text = ': hello\n\nevent: overview\ndata: {"a":1}\n\nevent: x\r\ndata: 1\r\ndata: 2\r\n\r\ndata: bare\n\n';
  for (let size = 1; size < text.length; size++) {
    const parser = new EventParser();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(found, [
      { event: "overview", data: '{"a":1}' },
      { event: "x", data: "1\n2" },
      { event: "message", data: "bare" },
    ]);
  }
});
