// Every page: its address, its place in the navigation, its code (fetched when it is opened first). To add a page, add a
// line; the README says what else.

import type { ComponentType } from "react";
import { AccessIcon, AuditIcon, BalanceIcon, CodeIcon, FilesIcon, GroupsIcon, OverviewIcon, RepairIcon, SettingsIcon, TopologyIcon, type Icon } from "../components/icons";

export type Section = "observe" | "data" | "operate" | "govern";
/** Its name in i18n/{en,zh}/shell.ts, `pages`. */
export type PageId =
  | "overview"
  | "topology"
  | "groups"
  | "files"
  | "rebalance"
  | "repair"
  | "access"
  | "audit"
  | "settings"
  | "reference";

export interface PageSpec {
  id: PageId;
  /** "/topology"; the page gets everything below as well ("/topology/disks/7"). */
  path: string;
  section: Section;
  icon: Icon;
  load: () => Promise<{ default: ComponentType }>;
}

export const pages: PageSpec[] = [
  { id: "overview", path: "/", section: "observe", icon: OverviewIcon, load: () => import("../pages/overview/Overview") },
  { id: "topology", path: "/topology", section: "observe", icon: TopologyIcon, load: () => import("../pages/topology/TopologyPage") },
  { id: "groups", path: "/groups", section: "observe", icon: GroupsIcon, load: () => import("../pages/groups/GroupsPage") },
  { id: "rebalance", path: "/rebalance", section: "operate", icon: BalanceIcon, load: () => import("../pages/rebalance/Rebalance") },
  { id: "repair", path: "/repair", section: "operate", icon: RepairIcon, load: () => import("../pages/repair/RepairPage") },
  { id: "audit", path: "/audit", section: "govern", icon: AuditIcon, load: () => import("../pages/audit/AuditPage") },
  { id: "files", path: "/files", section: "data", icon: FilesIcon, load: () => import("../pages/files/Files") },
  { id: "access", path: "/access", section: "govern", icon: AccessIcon, load: () => import("../pages/access/Access") },
  { id: "settings", path: "/settings", section: "govern", icon: SettingsIcon, load: () => import("../pages/settings/SettingsPage") },
  { id: "reference", path: "/api-reference", section: "govern", icon: CodeIcon, load: () => import("../pages/reference/ReferencePage") },
];
