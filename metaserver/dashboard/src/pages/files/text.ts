import { files as en } from "../../i18n/en/files";
import { texts } from "../../i18n/texts";
import { files as zh } from "../../i18n/zh/files";

export const words = texts(en, zh);
