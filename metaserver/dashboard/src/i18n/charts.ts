import { chartWords as en } from "./en/charts";
import { texts } from "./texts";
import { chartWords as zh } from "./zh/charts";

export const chartWords = texts(en, zh);
