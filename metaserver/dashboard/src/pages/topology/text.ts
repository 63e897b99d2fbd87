import { topology as en } from "../../i18n/en/topology";
import { texts } from "../../i18n/texts";
import { topology as zh } from "../../i18n/zh/topology";

export const words = texts(en, zh);
