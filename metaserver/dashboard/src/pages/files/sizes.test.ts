import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketNameProblem, nameProblem, parseBytes, permissions, typedBytes } from "./sizes";

test("typed sizes", () => {
  assert.equal(parseBytes("1.5 TiB"), 1.5 * 2 ** 40);
  assert.equal(parseBytes("500G"), 500 * 2 ** 30);
  assert.equal(parseBytes("1024"), 1024);
  assert.equal(parseBytes("12 kb"), 12 * 1024);
  assert.equal(parseBytes("many"), null);
  assert.equal(parseBytes("-1"), null);
  for (const bytes of [1, 1023, 2 ** 30, 3 * 2 ** 40, 1_000_000_007]) assert.equal(parseBytes(typedBytes(bytes)), bytes);
});

test("names", () => {
  assert.equal(bucketNameProblem("my-bucket.1"), null);
  assert.equal(bucketNameProblem("My"), "wrong");
  assert.equal(bucketNameProblem("10.0.0.1"), "ip");
  assert.equal(nameProblem(".."), "wrong");
  assert.equal(nameProblem("文".repeat(86)), "wrong");
  assert.equal(nameProblem("a"), null);
});

test("permissions", () => {
  assert.equal(permissions(0o644), "rw-r--r-- (0644)");
  assert.equal(permissions(0o100755), "rwxr-xr-x (0755)");
});
