// Zones, racks, nodes, disks. The address says what is open: /topology/disks/7, /topology/nodes/2, with ?view=disks.

import { useState } from "react";
import { useLocation, useSearch } from "wouter";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SearchField } from "../../components/SearchField";
import { Segmented } from "../../components/Segmented";
import { Skeleton } from "../../components/Skeleton";
import { DiskIcon } from "../../components/icons";
import { AddNode } from "./AddNode";
import { DiskPanel } from "./DiskPanel";
import { Legend } from "./Legend";
import { DiskList, NodeList } from "./Lists";
import { MapView } from "./MapView";
import { NodePanel } from "./NodePanel";
import type { Colouring } from "./paint";
import { ProcedureList } from "./ProcedureList";
import { useTopology } from "./store";
import { words } from "./text";

type View = "map" | "nodes" | "disks" | "procedures";
const VIEWS: View[] = ["map", "nodes", "disks", "procedures"];
const COLOURINGS: Colouring[] = ["fill", "state", "load"];

function usePlace() {
  const [path, go] = useLocation();
  const search = useSearch();
  const query = new URLSearchParams(search);
  const [, , kind, id] = path.split("/");
  const number = /^\d+$/.test(id ?? "") ? Number(id) : null;
  const asked = kind === "procedures" ? kind : query.get("view");
  const view = VIEWS.find((one) => one === asked) ?? "map";
  const to = (where: string, next: View) => {
    const now = new URLSearchParams(search);
    if (next === "map") now.delete("view");
    else now.set("view", next);
    const text = now.toString();
    go(`/topology${where}${text ? `?${text}` : ""}`);
  };
  return {
    view,
    disk: kind === "disks" ? number : null,
    node: kind === "nodes" ? number : null,
    show: (next: View) => to("", next),
    open: (target: { disk: number } | { node: number }) =>
      to("disk" in target ? `/disks/${target.disk}` : `/nodes/${target.node}`, view),
    close: () => to("", view),
  };
}

export default function TopologyPage() {
  const t = words();
  const { store, ready, error, retry } = useTopology();
  const place = usePlace();
  const [colouring, setColouring] = useState<Colouring>("fill");
  const [find, setFind] = useState("");
  const list = place.view === "nodes" || place.view === "disks";
  return (
    <div className="page topology">
      <div className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
        <div className="row wrap">
          <Segmented
            label={t.views.label}
            value={place.view}
            onChange={place.show}
            options={VIEWS.map((value) => ({ value, label: t.views[value] }))}
          />
          <AddNode />
        </div>
      </div>
      {error ? <FailureNote failure={error} onRetry={retry} /> : null}
      {!ready && !error ? <Skeleton height={520} /> : null}
      {ready ? (
        <div className="topology-body">
          <div className={`card topology-main ${list ? "flush" : ""}`}>
            {place.view === "procedures" ? null : (
              <div className="topology-tools">
                {place.view === "map" ? (
                  <>
                    <Segmented
                      label={t.colour.label}
                      value={colouring}
                      onChange={setColouring}
                      options={COLOURINGS.map((value) => ({ value, label: t.colour[value] }))}
                    />
                    <Legend colouring={colouring} />
                  </>
                ) : (
                  <SearchField label={t.search} value={find} onChange={setFind} />
                )}
              </div>
            )}
            {store.disks.size === 0 && place.view !== "procedures" ? <EmptyState icon={DiskIcon} title={t.noDisks} /> : null}
            {place.view === "map" && store.disks.size > 0 ? (
              <MapView store={store} colouring={colouring} disk={place.disk} node={place.node} onOpen={place.open} />
            ) : null}
            {place.view === "nodes" ? (
              <NodeList find={find} selected={place.node} onOpen={(node) => place.open({ node })} />
            ) : null}
            {place.view === "disks" && store.disks.size > 0 ? (
              <DiskList find={find} selected={place.disk} onOpen={(disk) => place.open({ disk })} />
            ) : null}
            {place.view === "procedures" ? <ProcedureList /> : null}
          </div>
          {place.disk !== null ? <DiskPanel id={place.disk} onClose={place.close} /> : null}
          {place.node !== null ? <NodePanel id={place.node} onClose={place.close} /> : null}
        </div>
      ) : null}
    </div>
  );
}
