// What stands on the page, as far as the journeys need it in both languages. The journeys that speak one language only
// have their texts in them.

/** @typedef {"overview" | "topology" | "groups" | "files" | "rebalance" | "repair" | "access" | "audit" | "settings" | "reference"} PageName */

const en = {
  navigation: "Main navigation",
  login: { title: "Sign in", account: "Account", password: "Password", submit: "Sign in" },
  signOut: "Sign out",
  theme: "Theme",
  themes: { light: "Light", dark: "Dark" },
  pages: {
    overview: "Overview",
    topology: "Topology",
    groups: "Placement groups",
    files: "Files",
    rebalance: "Rebalance",
    repair: "Repair & scrub",
    access: "Access",
    audit: "Audit",
    settings: "Settings",
    reference: "API reference",
  },
};
const zh = {
  navigation: "主导航",
  login: { title: "登录", account: "账户", password: "密码", submit: "登录" },
  signOut: "退出登录",
  theme: "主题",
  themes: { light: "浅色", dark: "深色" },
  pages: {
    overview: "概览",
    topology: "拓扑",
    groups: "归置组",
    files: "文件",
    rebalance: "均衡",
    repair: "修复与巡检",
    access: "访问控制",
    audit: "审计",
    settings: "设置",
    reference: "API 参考",
  },
};

export const words = {
  en: { ...en, headings: en.pages },
  zh: { ...zh, headings: zh.pages },
};
/** @type {PageName[]} */
export const pageNames = /** @type {PageName[]} */ (Object.keys(en.pages));
