import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../api/client";
import { failureIn, issueIn, phraseIn } from "./server";

const issue = { severity: "warning" as const, since: null };

test("issues are told by code and parameters", () => {
  const full = { ...issue, code: "disk_failed", message: "…", params: { disk: "9", node: "2", reason: "EIO" } };
  assert.equal(issueIn("en", full).what, "Disk 9 on node 2 has failed");
  assert.equal(issueIn("zh", full).what, "节点 2 的磁盘 9 发生故障");
});

test("without its parameters an issue is told in the server's words", () => {
  const bare = { ...issue, code: "disk_failed", message: "disk d9 has failed: replace it", params: {} };
  assert.deepEqual(issueIn("zh", bare), { what: "Disk d9 has failed", means: "Replace it" });
  const unheard = { ...issue, code: "constructor", message: "something new", params: {} };
  assert.equal(issueIn("en", unheard).what, "Something new");
});

test("a procedure that is held up is told whole", () => {
  const message =
    "disk d3 on node n1 is being emptied: 4 groups still count on it; 2 groups find no other disk that is apart enough and has room: add one, or give disks room";
  const told = { ...issue, code: "procedure_held_up", message, params: {} };
  assert.equal(issueIn("en", told).what, "Disk 3 on node 1 is being drained");
  assert.match(issueIn("zh", told).means, /^仍有 4 个归置组依赖它；2 个归置组找不到/);
});

test("sentences of the server are known by their form", () => {
  assert.equal(phraseIn("zh", "41 groups still count on it"), "仍有 41 个归置组依赖它");
  assert.equal(phraseIn("zh", "never heard of"), "Never heard of");
  assert.equal(phraseIn("en", "empty; it may be removed"), "Empty; it may be removed");
});

test("failures fall back to the server's message", () => {
  assert.match(failureIn("en", new Failure("no_leader", 503, "x")), /leader/);
  assert.equal(failureIn("en", new Failure("precondition_failed", 412, "drain it first")), "Drain it first");
});
