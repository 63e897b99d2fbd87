import { overview as en } from "../../i18n/en/overview";
import { texts } from "../../i18n/texts";
import { overview as zh } from "../../i18n/zh/overview";

export const words = texts(en, zh);
