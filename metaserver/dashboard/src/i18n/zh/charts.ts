import type { chartWords as original } from "../en/charts";
import type { Translation } from "../texts";

export const chartWords: Translation<typeof original> = {
  summary: (label, last, low, high) => `${label}：当前 ${last}，最低 ${low}，最高 ${high}`,
  nothing: "暂无数据",
};
