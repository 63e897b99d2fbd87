import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { api, credentials, Failure } from "./client";

interface Call {
  url: string;
  init: RequestInit;
}
const calls: Call[] = [];
let answers: (() => Response)[] = [];
globalThis.fetch = (async (url: string, init: RequestInit) => {
  calls.push({ url, init });
  const answer = answers.length > 1 ? answers.shift() : answers[0];
  if (!answer) throw new TypeError("network");
  return answer();
}) as typeof fetch;

const json = (status: number, body: unknown) => () => new Response(JSON.stringify(body), { status });
const refusal = (status: number, code: string, retry: string) =>
  json(status, { error: { code, message: code, params: {}, retry, retry_after_ms: 1, request_id: "r1" } });

afterEach(() => {
  calls.length = 0;
  answers = [];
  credentials.csrf = "";
});

test("a GET is tried again while the server says later", async () => {
  answers = [refusal(503, "busy", "later"), refusal(503, "busy", "later"), json(200, { fine: 1 })];
  assert.deepEqual(await api.get("/overview", { range: "1h", none: null }), { fine: 1 });
  assert.equal(calls.length, 3);
  assert.equal(calls[0]?.url, "/api/v1/overview?range=1h");
});

test("a change is sent once, with the token", async () => {
  credentials.csrf = "secret";
  answers = [refusal(503, "busy", "later")];
  await assert.rejects(api.post("/balance/start"), (cause) => {
    assert.ok(cause instanceof Failure);
    assert.deepEqual([cause.code, cause.status, cause.requestId], ["busy", 503, "r1"]);
    return true;
  });
  assert.equal(calls.length, 1);
  assert.equal((calls[0]?.init.headers as Record<string, string>)["x-holdfast-csrf"], "secret");
});

test("401 tells the session, a wrong password does not", async () => {
  let told = 0;
  credentials.onUnauthenticated = () => (told += 1);
  answers = [refusal(401, "wrong_password", "never")];
  await assert.rejects(api.post("/auth/login", {}));
  assert.equal(told, 0);
  answers = [refusal(401, "unauthenticated", "never")];
  await assert.rejects(api.get("/overview"));
  assert.equal(told, 1);
});

test("what is no JSON is a failure, not a crash", async () => {
  answers = [() => new Response("<html>proxy", { status: 502 })];
  await assert.rejects(api.get("/overview"), (cause) => cause instanceof Failure && cause.code === "unreadable");
  answers = [() => new Response("<html>", { status: 200 })];
  await assert.rejects(api.get("/overview"), (cause) => cause instanceof Failure && cause.code === "unreadable");
  answers = [];
  await assert.rejects(api.post("/overview"), (cause) => cause instanceof Failure && cause.code === "offline");
});
