// A description of the API as the server's generator writes it; only a few operations.

const page = (of) => ({ type: "object", description: "A page of something.", required: ["items"], properties: { items: { type: "array", items: { $ref: `#/components/schemas/${of}` }, description: "What is on it." }, next: { type: ["string", "null"], description: "Give this as `after` to get the next page; `null`: there is none." } } });
const json = (schema) => ({ content: { "application/json": { schema } } });
const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const failures = { 400: json(ref("Failure")), 401: json(ref("Failure")), 503: json(ref("Failure")) };

const document = {
  openapi: "3.1.0",
  info: { title: "Holdfast", version: "1.4.0" },
  servers: [{ url: "/api/v1" }],
  tags: [{ name: "groups", description: "Placement groups" }, { name: "audit", description: "The audit log" }],
  paths: {
    "/groups": {
      get: {
        tags: ["groups"],
        summary: "Placement groups in order of number.",
        operationId: "list_groups",
        parameters: [
          { name: "level", in: "query", description: "`whole`, `degraded`, `at_risk` or `unavailable`.", schema: { type: ["string", "null"] } },
          { name: "limit", in: "query", description: "Most groups on the page, 1 to 1000; 100 by default.", schema: { type: ["integer", "null"], minimum: 1, maximum: 1000 } },
        ],
        responses: { 200: json(ref("Page_GroupView")), ...failures },
      },
    },
    "/groups/{group}": {
      get: { tags: ["groups"], summary: "One placement group.", operationId: "get_group", parameters: [{ name: "group", in: "path", required: true, schema: { type: "integer", minimum: 0 } }], responses: { 200: json(ref("GroupView")), 404: json(ref("Failure")) } },
    },
    "/audit/verify": { post: { tags: ["audit"], summary: "Follow the chain of the audit log in the copy of every metaserver.", operationId: "verify_audit", requestBody: json(ref("Given")), responses: { 200: json({ type: "object", additionalProperties: { type: "integer" } }), ...failures } } },
    "/tokens/{id}": { delete: { tags: ["access"], summary: "Take a token back. <img src=x onerror=alert(1)>", operationId: "delete_token", parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }], responses: { 204: { description: "" }, ...failures } } },
  },
  components: {
    schemas: {
      Page_GroupView: page("GroupView"),
      GroupView: {
        type: "object",
        description: "A placement group.",
        required: ["id", "level", "members"],
        properties: {
          id: { type: "integer", format: "int32", description: "Its number.", minimum: 0 },
          level: { type: "string", enum: ["whole", "degraded", "at_risk", "unavailable"], description: "How close to loss." },
          since: { type: ["string", "null"], description: "Since when it lacks something." },
          members: { type: "array", items: ref("MemberView"), description: "Its members." },
          parent: { oneOf: [{ type: "null" }, ref("GroupView")], description: "A circle, to see that it does no harm." },
        },
      },
      MemberView: { type: "object", required: ["disk"], properties: { disk: { type: "integer", description: "Its disk." }, condition: { type: "string", description: "How it is." } } },
      Given: { type: "object", properties: { seq: { type: "integer", description: "Its number; 0: none was kept." }, hash: { type: "string", description: "Its hash." } } },
      Failure: { type: "object", properties: { error: { type: "object" } } },
    },
  },
};

export default () => ({ "GET /openapi.json": () => document });
