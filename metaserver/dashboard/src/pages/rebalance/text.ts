import { rebalance as en } from "../../i18n/en/rebalance";
import { texts } from "../../i18n/texts";
import { rebalance as zh } from "../../i18n/zh/rebalance";

export const words = texts(en, zh);
