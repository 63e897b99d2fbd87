import { common as en } from "./en/common";
import { texts } from "./texts";
import { common as zh } from "./zh/common";

export const common = texts(en, zh);
