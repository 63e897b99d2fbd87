import { errorWords as en } from "./en/errors";
import { texts } from "./texts";
import { errorWords as zh } from "./zh/errors";

export const errorWords = texts(en, zh);
