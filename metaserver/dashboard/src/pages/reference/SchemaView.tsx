// A type in words, and what it consists of. Types that contain others open on demand, so that circles do no harm.

import { useState } from "react";
import { ChevronDownIcon, ChevronRightIcon } from "../../components/icons";
import { nullable, propertiesOf, resolve, type OpenApi, type Schema } from "./model";
import { Prose } from "./Prose";
import { words } from "./text";

type Words = ReturnType<typeof words>;

export function typeName(given: Schema, document: OpenApi, t: Words, depth = 0): string {
  const { schema, orNull } = nullable(given);
  const tail = orNull ? ` ${t.orNull}` : "";
  return inner(schema, document, t, depth) + tail;
}

function inner(schema: Schema, document: OpenApi, t: Words, depth: number): string {
  if (depth > 4) return "…";
  if (schema.$ref) return resolve(schema, document).name;
  if (schema.enum) return t.oneOf(schema.enum.map((value) => JSON.stringify(value)).join(", "));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((one) => typeName(one, document, t, depth + 1)).join(" | ");
  if (schema.type === "array" || schema.items) return t.listOf(schema.items ? typeName(schema.items, document, t, depth + 1) : t.anything);
  if (typeof schema.additionalProperties === "object" && !schema.properties) {
    return t.mapOf(typeName(schema.additionalProperties, document, t, depth + 1));
  }
  const name = Array.isArray(schema.type) ? schema.type.join(" | ") : (schema.type ?? (schema.properties || schema.allOf ? "object" : t.anything));
  const bounds = [
    schema.minimum !== undefined && schema.minimum !== 0 ? t.from(String(schema.minimum)) : "",
    schema.maximum !== undefined ? t.upTo(String(schema.maximum)) : "",
  ].filter(Boolean);
  return [name, ...bounds].join(", ");
}

/** What of a type can be opened: what it refers to, or what a list or map is of. */
function insideOf(given: Schema, document: OpenApi): Schema | null {
  const { schema } = nullable(given);
  const whole = resolve(schema, document).schema;
  if (whole.items) return insideOf(whole.items, document);
  if (propertiesOf(whole, document).length > 0) return whole;
  if (typeof whole.additionalProperties === "object") return insideOf(whole.additionalProperties, document);
  return null;
}

interface SchemaViewProps {
  schema: Schema;
  document: OpenApi;
  depth?: number;
  /** Its name stands beside it already. */
  named?: boolean;
}

export function SchemaView({ schema, document, depth = 0, named = false }: SchemaViewProps) {
  const t = words();
  const inside = insideOf(schema, document);
  if (!inside) return named ? null : <p className="ref-type">{typeName(schema, document, t)}</p>;
  return (
    <ul className={`ref-properties ${depth > 0 ? "is-inner" : ""}`}>
      {propertiesOf(inside, document).map(([name, one, required]) => (
        <Property key={name} name={name} schema={one} required={required} document={document} depth={depth} />
      ))}
    </ul>
  );
}

interface PropertyProps {
  name: string;
  schema: Schema;
  required: boolean;
  document: OpenApi;
  depth: number;
}

function Property({ name, schema, required, document, depth }: PropertyProps) {
  const t = words();
  const [open, setOpen] = useState(false);
  const deeper = depth < 8 && insideOf(schema, document) !== null;
  const type = typeName(schema, document, t);
  const meaning = schema.description ?? resolve(nullable(schema).schema, document).schema.description ?? "";
  return (
    <li>
      <div className="ref-property">
        <span className="ref-name">
          <code>{name}</code>
          {required ? null : <span aria-hidden="true">?</span>}
        </span>
        {deeper ? (
          <button type="button" className="ref-open" aria-expanded={open} onClick={() => setOpen(!open)}>
            <span>{type}</span>
            {open ? <ChevronDownIcon size={12} /> : <ChevronRightIcon size={12} />}
          </button>
        ) : (
          <span className="ref-type">{type}</span>
        )}
        <span className="ref-meaning"><Prose text={meaning} /></span>
      </div>
      {open && deeper ? <SchemaView schema={schema} document={document} depth={depth + 1} /> : null}
    </li>
  );
}
