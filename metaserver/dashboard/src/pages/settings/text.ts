import { settings as en } from "../../i18n/en/settings";
import { settingNames as namesEn } from "../../i18n/en/settingNames";
import { useLanguage } from "../../i18n/language";
import { texts } from "../../i18n/texts";
import { settings as zh } from "../../i18n/zh/settings";
import { settingNames as namesZh } from "../../i18n/zh/settingNames";
import type { SettingText } from "../../i18n/en/settingNames";

export const words = texts(en, zh);

export const useSettingNames = (): Record<string, SettingText> => (useLanguage() === "zh" ? namesZh : namesEn);
