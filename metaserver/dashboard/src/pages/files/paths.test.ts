import assert from "node:assert/strict";
import { test } from "node:test";
import { at, below, canonical, child, forBody, nameOf, namesOf, parentOf, pathOfAddress, readable, ROOT } from "./paths";

test("every byte of a name survives the way through an address", () => {
  const path = child("/b", "a b/%2F?#&+;,\n\u202e");
  assert.equal(canonical(path), path);
  assert.equal(pathOfAddress(`/files${path}`), path);
  assert.equal(nameOf("/b/caf%E9%FF.txt"), "caf\ufffd\ufffd.txt");
  assert.equal(canonical("/b/caf%E9%FF.txt"), "/b/caf%E9%FF.txt");
});

test("a lone per cent sign is itself", () => {
  assert.equal(canonical("/b/100%"), "/b/100%25");
  assert.equal(readable("/b/100%25"), "/b/100%");
});

test("bodies are plain text but for what cannot be", () => {
  assert.equal(forBody("/b/a%20b"), "/b/a b");
  assert.equal(forBody("/b/100%25"), "/b/100%25");
  assert.equal(forBody("/b/%E6%96%87"), "/b/文");
  assert.equal(forBody("/b/x%FF"), "/b/x%FF");
  assert.equal(canonical(forBody("/b/100%25%20%E6%96%87")), "/b/100%25%20%E6%96%87");
});

test("parents, children and names", () => {
  assert.equal(parentOf("/b/d/f"), "/b/d");
  assert.equal(parentOf("/b"), ROOT);
  assert.deepEqual(namesOf(ROOT), []);
  assert.equal(child(ROOT, "b"), "/b");
  assert.equal(below("/b", "x/y z.txt"), "/b/x/y%20z.txt");
});

test("a plus in a query is a plus", () => {
  assert.equal(at("/files", child("/b", "c+d"), { prefix: "a&b", after: null }), "/files?path=/b/c%2Bd&prefix=a%26b");
});
