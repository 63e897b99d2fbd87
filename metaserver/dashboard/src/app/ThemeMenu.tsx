// Light, dark, or as the system has it.

import { MoonIcon, SunIcon, SystemIcon } from "../components/icons";
import { Menu } from "../components/Menu";
import { shell } from "../i18n/shell";
import { setTheme, useThemeChoice, type ThemeChoice } from "./theme";

const ICONS = { system: SystemIcon, light: SunIcon, dark: MoonIcon };

export function ThemeMenu() {
  const t = shell();
  const choice = useThemeChoice();
  const Drawing = ICONS[choice];
  const entries = (["system", "light", "dark"] as ThemeChoice[]).map((id) => ({
    id,
    label: t.themes[id],
    icon: ICONS[id],
    selected: id === choice,
  }));
  return (
    <Menu
      label={`${t.theme}: ${t.themes[choice]}`}
      button={<Drawing />}
      className="button quiet icon-only"
      entries={entries}
      onAction={(id) => setTheme(id as ThemeChoice)}
    />
  );
}
