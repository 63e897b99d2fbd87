import { access as en } from "../../i18n/en/access";
import { texts } from "../../i18n/texts";
import { access as zh } from "../../i18n/zh/access";

export const words = texts(en, zh);
