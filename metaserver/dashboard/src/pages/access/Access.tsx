// Access: accounts, S3 keys, API tokens, sessions, and one's own account; each under its own address.

import { useLocation } from "wouter";
import { useMe } from "../../app/session";
import { Tabs } from "../../components/Tabs";
import { Accounts } from "./Accounts";
import { Keys } from "./Keys";
import { Mine } from "./Mine";
import { Sessions } from "./Sessions";
import { words } from "./text";
import { Tokens } from "./Tokens";

const TABS = { accounts: Accounts, keys: Keys, tokens: Tokens, sessions: Sessions, me: Mine };
type TabId = keyof typeof TABS;

export default function Access() {
  const t = words();
  const me = useMe();
  const [path, go] = useLocation();
  const asked = path.split("/")[2] ?? "";
  const selected: TabId = Object.hasOwn(TABS, asked) ? (asked as TabId) : me.role === "admin" ? "accounts" : "me";
  return (
    <div className="page access">
      <header className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
      </header>
      <Tabs
        label={t.tabsLabel}
        selected={selected}
        onSelect={(id) => go(`/access/${id}`)}
        tabs={(Object.keys(TABS) as TabId[]).map((id) => {
          const Content = TABS[id];
          return { id, label: t.tabs[id], content: <Content /> };
        })}
      />
    </div>
  );
}
