// Settings: of the cluster, storage classes, the metadata group, joining. Each tab has its own address.

import { useLocation } from "wouter";
import { useRefusal } from "../../app/session";
import { Note } from "../../components/Note";
import { Tabs } from "../../components/Tabs";
import { ClassesTab } from "./ClassesTab";
import { ClusterTab } from "./ClusterTab";
import { JoinTab } from "./JoinTab";
import { MetaTab } from "./MetaTab";
import { words } from "./text";

const TABS = ["cluster", "classes", "metadata", "join"] as const;
type TabId = (typeof TABS)[number];
const CONTENT: Record<TabId, () => React.ReactNode> = {
  cluster: ClusterTab,
  classes: ClassesTab,
  metadata: MetaTab,
  join: JoinTab,
};

export default function SettingsPage() {
  const t = words();
  const [path, go] = useLocation();
  const refused = useRefusal("admin");
  const wanted = path.split("/")[2] ?? "";
  const here: TabId = TABS.find((tab) => tab === wanted) ?? "cluster";
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
      </header>
      {refused ? <Note>{t.readOnly}</Note> : null}
      <Tabs
        label={t.title}
        selected={here}
        onSelect={(id) => go(id === "cluster" ? "/settings" : `/settings/${id}`)}
        tabs={TABS.map((id) => {
          const Content = CONTENT[id];
          return { id, label: t.tabs[id], content: <Content /> };
        })}
      />
    </div>
  );
}
