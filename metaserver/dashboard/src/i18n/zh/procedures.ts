import type { procedures as original } from "../en/procedures";
import type { Translation } from "../texts";

const of = (disk: string, node: string) => (disk ? `节点 ${node} 的磁盘 ${disk}` : `节点 ${node}`);

export const procedures: Translation<typeof original> = {
  "being emptied": (disk, node) => `${of(disk, node)} 正在排空`,
  "being replaced": (disk, node) => `${of(disk, node)} 正在更换`,
  "in maintenance": (disk, node, minutes) => `${of(disk, node)} 正在维护${minutes ? `，还剩 ${minutes} 分钟` : ""}`,
};
