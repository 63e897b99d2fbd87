// The OpenAPI document as far as it is shown. It comes from our own server, and still nothing in it is relied on.

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  minimum?: number;
  maximum?: number;
  pattern?: string;
}
export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}
interface Content {
  description?: string;
  content?: Record<string, { schema?: Schema }>;
}
export interface Operation {
  tags?: string[];
  summary?: string;
  description?: string;
  operationId?: string;
  parameters?: Parameter[];
  requestBody?: Content;
  responses?: Record<string, Content>;
}
export interface OpenApi {
  info?: { title?: string; version?: string; description?: string };
  servers?: { url?: string }[];
  tags?: { name: string; description?: string }[];
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

export interface Route {
  id: string;
  method: string;
  path: string;
  tag: string;
  operation: Operation;
}

const METHODS = ["get", "post", "put", "patch", "delete", "head"];

export function routesOf(document: OpenApi): Route[] {
  const routes: Route[] = [];
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const method of METHODS) {
      const operation = operations[method];
      if (!operation) continue;
      const id = operation.operationId ?? `${method}-${path}`;
      routes.push({ id, method, path, tag: operation.tags?.[0] ?? "", operation });
    }
  }
  return routes;
}

/** The schema behind a reference, with its name. */
export function resolve(schema: Schema, document: OpenApi): { name: string; schema: Schema } {
  const name = schema.$ref?.split("/").pop() ?? "";
  const found = name ? document.components?.schemas?.[name] : undefined;
  return { name, schema: found ?? schema };
}

export const schemaOf = (content: Content | undefined): { kind: string; schema: Schema } | null => {
  const [kind, media] = Object.entries(content?.content ?? {})[0] ?? [];
  return kind ? { kind, schema: media?.schema ?? {} } : null;
};

/** Without the part that may be null, and whether there was one. */
export function nullable(schema: Schema): { schema: Schema; orNull: boolean } {
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) {
    const rest = choices.filter((one) => one.type !== "null");
    const only = rest[0];
    if (rest.length === 1 && only && rest.length < choices.length) return { schema: only, orNull: true };
  }
  if (Array.isArray(schema.type)) {
    const rest = schema.type.filter((one) => one !== "null");
    if (rest.length < schema.type.length) return { schema: { ...schema, type: rest.length === 1 ? rest[0]! : rest }, orNull: true };
  }
  return { schema, orNull: false };
}

/** All properties, those of its parts included. */
export function propertiesOf(schema: Schema, document: OpenApi, depth = 0): [string, Schema, boolean][] {
  const found: [string, Schema, boolean][] = [];
  if (depth > 6) return found;
  for (const part of schema.allOf ?? []) found.push(...propertiesOf(resolve(part, document).schema, document, depth + 1));
  for (const [name, one] of Object.entries(schema.properties ?? {})) found.push([name, one, schema.required?.includes(name) ?? false]);
  return found;
}
