// Repair and scrub: what is being restored, and what is looked for. /repair and /repair/scrub.

import { useLocation } from "wouter";
import { Tabs } from "../../components/Tabs";
import { RepairTab } from "./RepairTab";
import { ScrubTab } from "./ScrubTab";
import { words } from "./text";

export default function RepairPage() {
  const t = words();
  const [path, go] = useLocation();
  return (
    <div className="page">
      <div className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
      </div>
      <Tabs
        label={t.tabs.label}
        selected={path.startsWith("/repair/scrub") ? "scrub" : "repair"}
        onSelect={(id) => go(id === "scrub" ? "/repair/scrub" : "/repair")}
        tabs={[
          { id: "repair", label: t.tabs.repair, content: <RepairTab /> },
          { id: "scrub", label: t.tabs.scrub, content: <ScrubTab /> },
        ]}
      />
    </div>
  );
}
