import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Failure } from "../api/client";
import type { AuditEntry } from "../api/types";
import { reasons as reasonsEn } from "./en/reasons";
import { actionIn, failureIn, issueIn, phraseIn, reasonIn } from "./server";
import { reasons as reasonsZh } from "./zh/reasons";

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
  const reasons = [
    { code: "drain_left", params: { groups: "4" }, message: "4 groups still count on it" },
    { code: "waits_for_room", params: { groups: "2" }, message: "2 groups find no other disk" },
  ];
  const told = { ...issue, code: "drain_held_up", message: "…", params: { disk: "3", node: "1", groups: "4", bytes: "0" }, reasons };
  assert.equal(issueIn("en", told).what, "The drain of disk 3 on node 1 is held up");
  assert.match(issueIn("zh", told).means, /^仍有 4 个归置组依赖它；2 个归置组找不到/);
});

test("reasons are told by code, in the server's words when this build does not know it", () => {
  const reason = { code: "drain_left", params: { groups: "41" }, message: "41 groups still count on it" };
  assert.equal(reasonIn("zh", reason), "仍有 41 个归置组依赖它");
  assert.equal(reasonIn("en", { code: "unheard_of", params: {}, message: "something new" }), "Something new");
  const without = { code: "balance_done", params: {}, message: "done; disks differ by 2.9 %" };
  assert.equal(reasonIn("zh", without), "Done; disks differ by 2.9 %", "a text without its parameters is none");
});

test("every code that the server can send has a text in both languages, with the parameters that come with it", () => {
  // Written by the server's list; a test there compares the two.
  const known = JSON.parse(readFileSync("src/i18n/reasons.json", "utf8")) as Record<string, string[]>;
  const codes = Object.keys(known).sort();
  assert.deepEqual(Object.keys(reasonsEn).sort(), codes);
  assert.deepEqual(Object.keys(reasonsZh).sort(), codes);
  for (const code of codes) {
    const params = Object.fromEntries((known[code] ?? []).map((name) => [name, "7"]));
    const fallback = { code, params, message: "only english" };
    for (const language of ["en", "zh"] as const) {
      const text = reasonIn(language, fallback);
      assert.ok(text !== "Only english" && !text.includes("undefined"), `${code} in ${language}: ${text}`);
    }
  }
});

test("sentences of the server without a code are known by their form", () => {
  assert.equal(phraseIn("zh", "the account is disabled"), "账户已停用");
  assert.equal(phraseIn("zh", "never heard of"), "Never heard of");
});

test("failures fall back to the server's message", () => {
  assert.match(failureIn("en", new Failure("no_leader", 503, "x")), /leader/);
  assert.equal(failureIn("en", new Failure("precondition_failed", 412, "drain it first")), "Drain it first");
});

test("a refusal tells what speaks against it", () => {
  const reasons = [{ code: "takes_part", params: {}, message: "it takes part" }];
  const failure = new Failure("precondition_failed", 412, "node n2: it takes part", {}, "never", undefined, "", reasons);
  assert.equal(failureIn("zh", failure), "它仍在役：请先排空，等待其清空");
});

test("disks and nodes are named once, also in entries of before", () => {
  const entry = { action: "meta.leader", target: "n1", details: {}, message: "" } as unknown as AuditEntry;
  assert.equal(actionIn("en", entry), "Node 1 leads the metadata");
  assert.equal(actionIn("en", { ...entry, target: "nn1" }), "Node 1 leads the metadata");
  assert.equal(actionIn("en", { ...entry, action: "disk.down", target: "d7" }), "Disk 7 does not answer");
});
