// One operation: closed, its method, path and summary; open, all of it.

import { Command } from "../../components/CopyButton";
import { ChevronRightIcon } from "../../components/icons";
import { schemaOf, type OpenApi, type Route } from "./model";
import { Prose } from "./Prose";
import { SchemaView, typeName } from "./SchemaView";
import { words } from "./text";

interface Props {
  route: Route;
  document: OpenApi;
  open: boolean;
  onToggle: (open: boolean) => void;
}

export function OperationView({ route, document, open, onToggle }: Props) {
  const { operation, method, path } = route;
  return (
    <li className="ref-operation" id={route.id}>
      <button type="button" className="ref-head" aria-expanded={open} onClick={() => onToggle(!open)}>
        <ChevronRightIcon size={13} className={open ? "is-open" : ""} />
        <span className={`ref-method method-${method}`}>{method.toUpperCase()}</span>
        <code className="ref-path">{path}</code>
        <span className="ref-summary">
          <Prose text={operation.summary ?? operation.description ?? ""} />
        </span>
      </button>
      {open ? <Body route={route} document={document} /> : null}
    </li>
  );
}

function Body({ route, document }: { route: Route; document: OpenApi }) {
  const t = words();
  const { operation } = route;
  const body = schemaOf(operation.requestBody);
  const responses = Object.entries(operation.responses ?? {});
  const good = responses.filter(([status]) => status.startsWith("2") || status.startsWith("3"));
  const bad = responses.filter(([status]) => !status.startsWith("2") && !status.startsWith("3"));
  return (
    <div className="ref-body">
      {operation.description && operation.summary && operation.description !== operation.summary ? <p><Prose text={operation.description} /></p> : null}
      {operation.parameters?.length ? (
        <section>
          <h3>{t.parameters}</h3>
          <div className="ref-scroll" tabIndex={0} role="region" aria-label={`${t.parameters}: ${route.method} ${route.path}`}>
            <table className="ref-table">
              <thead>
                <tr>
                  <th scope="col">{t.name}</th>
                  <th scope="col">{t.where}</th>
                  <th scope="col">{t.kind}</th>
                  <th scope="col">{t.meaning}</th>
                </tr>
              </thead>
              <tbody>
                {operation.parameters.map((one) => (
                  <tr key={`${one.in}/${one.name}`}>
                    <th scope="row">
                      <code>{one.name}</code>
                    </th>
                    <td>{t.places[one.in] ?? one.in}</td>
                    <td>
                      {typeName(one.schema ?? {}, document, t)}
                      {one.required ? <span className="muted"> · {t.required}</span> : null}
                    </td>
                    <td>
                      <Prose text={one.description ?? ""} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      ) : null}
      {body ? (
        <section>
          <h3>
            {t.body} <span className="muted small">{body.kind}</span>
          </h3>
          <SchemaView schema={body.schema} document={document} />
        </section>
      ) : null}
      <section>
        <h3>{t.answers}</h3>
        <ul className="ref-answers">
          {good.map(([status, answer]) => {
            const found = schemaOf(answer);
            return (
              <li key={status}>
                <p>
                  <code className="tone-ok strong">{status}</code>{" "}
                  <span>{found ? typeName(found.schema, document, t) : answer.description || t.noContent}</span>{" "}
                  {found && found.kind !== "application/json" ? <span className="muted small">{found.kind}</span> : null}
                </p>
                {found ? <SchemaView schema={found.schema} document={document} named /> : null}
              </li>
            );
          })}
        </ul>
        {bad.length > 0 ? (
          <p className="small muted">
            {t.failures}: {bad.map(([status]) => status).join(", ")}
          </p>
        ) : null}
      </section>
      <section>
        <h3>{t.example}</h3>
        <Command text={example(route, document)} />
      </section>
    </div>
  );
}

/** The token comes from a variable: commands end up in histories and lists of processes. */
function example({ method, path, operation }: Route, document: OpenApi): string {
  const base = location.origin + (document.servers?.[0]?.url?.replace(/\/$/, "") ?? (path.startsWith("/api/") ? "" : "/api/v1"));
  const required = operation.parameters?.filter((one) => one.in === "query" && one.required).map((one) => `${one.name}=…`) ?? [];
  const query = required.length > 0 ? `?${required.join("&")}` : "";
  const lines = [`curl -H "Authorization: Bearer $HOLDFAST_TOKEN"`];
  if (method !== "get") lines.push(`-X ${method.toUpperCase()}`);
  if (schemaOf(operation.requestBody)?.kind === "application/json") lines.push(`-H 'content-type: application/json' -d '{…}'`);
  lines.push(`'${base}${path}${query}'`);
  return lines.join(" \\\n  ");
}
