import { audit as en } from "../../i18n/en/audit";
import { texts } from "../../i18n/texts";
import { audit as zh } from "../../i18n/zh/audit";

export const words = texts(en, zh);
