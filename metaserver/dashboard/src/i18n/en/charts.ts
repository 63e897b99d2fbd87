export const chartWords = {
  summary: (label: string, last: string, low: string, high: string) =>
    `${label}: now ${last}, lowest ${low}, highest ${high}`,
  nothing: "no data yet",
};
