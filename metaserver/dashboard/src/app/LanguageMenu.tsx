// English or Chinese.

import { GlobeIcon } from "../components/icons";
import { Menu } from "../components/Menu";
import { setLanguage, useLanguage, type Language } from "../i18n/language";
import { shell } from "../i18n/shell";

export function LanguageMenu() {
  const t = shell();
  const language = useLanguage();
  const entries = (["en", "zh"] as Language[]).map((id) => ({
    id,
    label: t.languages[id],
    selected: id === language,
  }));
  return (
    <Menu
      label={`${t.language}: ${t.languages[language]}`}
      button={<GlobeIcon />}
      className="button quiet icon-only"
      entries={entries}
      onAction={(id) => setLanguage(id as Language)}
    />
  );
}
