// Runs before anything is drawn: the right theme and language from the first frame on.

import { getLanguage, localeOf } from "../i18n/language";
import { applyTheme, storedTheme } from "./theme";

applyTheme(storedTheme());
document.documentElement.lang = localeOf(getLanguage());
