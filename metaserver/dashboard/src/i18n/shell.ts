import { shell as en } from "./en/shell";
import { texts } from "./texts";
import { shell as zh } from "./zh/shell";

export const shell = texts(en, zh);
