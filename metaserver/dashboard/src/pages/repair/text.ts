import { repair as en } from "../../i18n/en/repair";
import { texts } from "../../i18n/texts";
import { repair as zh } from "../../i18n/zh/repair";

export const words = texts(en, zh);
