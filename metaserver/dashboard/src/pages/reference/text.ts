import { reference as en } from "../../i18n/en/reference";
import { texts } from "../../i18n/texts";
import { reference as zh } from "../../i18n/zh/reference";

export const words = texts(en, zh);
