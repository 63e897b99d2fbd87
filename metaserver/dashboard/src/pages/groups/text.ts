import { groups as en } from "../../i18n/en/groups";
import { groups as zh } from "../../i18n/zh/groups";
import { texts } from "../../i18n/texts";

export const words = texts(en, zh);
