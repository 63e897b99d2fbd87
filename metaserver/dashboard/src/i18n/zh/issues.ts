import type { issues as original } from "../en/issues";

export const issues: typeof original = {
  no_leader: {
    what: () => "没有元数据主节点",
    means: () => "在多数元数据服务器恢复互通之前，无法读取或更改命名空间。它们会自动选举。",
  },
  quorum_lost: {
    what: () => "元数据多数派失联",
    means: () => "在多数派恢复之前，无法做任何更改。",
  },
  quorum_at_risk: {
    what: (p) => `元数据服务器落后或无响应：${p["nodes"]}`,
    means: () => "在其恢复之前，可承受的故障数减少。",
  },
  two_voters: {
    what: () => "只有两台元数据服务器参与表决",
    means: () => "任意一台失效即无法更改元数据。请增加一个可表决节点或见证节点。",
  },
  pgs_unavailable: {
    what: (p) => `${p["groups"]} 个归置组无法完整读取`,
    means: () => "有响应的磁盘不足。数据并未放弃，磁盘恢复后即可访问。",
  },
  pgs_at_risk: {
    what: (p) => `${p["groups"]} 个归置组已无冗余`,
    means: () => "再坏一块磁盘就会不可用，修复会最先处理它们。",
  },
  pgs_degraded: {
    what: (p) => `${p["groups"]} 个归置组缺少副本`,
    means: () => "仍可再承受一次故障，正在补齐缺失的副本。",
  },
  no_room_for_repair: {
    what: (p) => `${p["groups"]} 个归置组找不到可用于修复的磁盘`,
    means: () => "没有空间足够且满足故障域要求的磁盘。请增加磁盘或腾出空间。",
  },
  mass_failure: {
    what: () => "大量磁盘同时失联，自动修复已暂缓",
    means: () =>
      "很可能是网络或供电故障。在磁盘恢复，或管理员调高 mass_failure_percent 之前，不会触发重建。",
  },
  single_copy: {
    what: () => "有存储类只保留单副本",
    means: () => "丢失磁盘即丢失数据。节点加入后副本数会自动增加。",
  },
  disk_failed: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 发生故障`,
    means: (p) => `${p["reason"] ? `报告：${p["reason"]}。` : ""}其数据正在其他磁盘上重建，请更换该磁盘。`,
  },
  disk_out: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 已被剔除`,
    means: () => "其数据正在其他磁盘上重建。若恢复，会重新纳入集群。",
  },
  disk_away: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 按计划离线`,
    means: () => "所在节点处于维护状态，不会因此触发重建。",
  },
  disk_down: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 无响应`,
    means: () => "若持续离线，其数据将在其他磁盘上重建。",
  },
  disk_full: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 已满`,
    means: () => "不再接收新的数据块。请增加磁盘或删除数据。",
  },
  disk_recovering: {
    what: (p) => `节点 ${p["node"]} 的磁盘 ${p["disk"]} 正在重建索引`,
    means: () => "期间仍可读取。",
  },
  disk_hangs: {
    what: (p) => `磁盘 ${p["disk"]} 的写操作长时间未完成`,
    means: () => "写入已转往其他磁盘，请检查硬件。",
  },
  disk_slow: {
    what: (p) => `磁盘 ${p["disk"]} 的提交明显慢于其他磁盘`,
    means: () => "写入该磁盘的请求都会变慢。请检查硬件，或将其排空。",
  },
  scrub_damage: {
    what: (p) => `巡检在磁盘 ${p["disk"]} 上发现损坏`,
    means: () => "损坏的记录将从其他成员重新复制。",
  },
  node_down: {
    what: (p) => `节点 ${p["node"]} 无响应`,
    means: (p) => `地址 ${p["address"]}。若超过宽限期仍未恢复，其数据将在其他节点上重建。`,
  },
  meta_room: {
    what: (p) => `节点 ${p["node"]} 的元数据空间不足`,
    means: () => "写满后该节点将无法担任主节点。",
  },
  meta_full: {
    what: (p) => `节点 ${p["node"]} 的元数据文件系统已满`,
    means: () => "请腾出空间。若由它担任主节点，只接受释放空间的操作。",
  },
  metadata_full: {
    what: (p) => `节点 ${p["node"]} 的元数据文件系统已满`,
    means: () => "请腾出空间。若由它担任主节点，只接受释放空间的操作。",
  },
  drain: { what: (p) => `${target(p)} 正在排空`, means: (p) => `仍有 ${p["groups"]} 个归置组依赖它。` },
  drain_held_up: { what: (p) => `${target(p)} 的排空受阻`, means: (p) => `仍有 ${p["groups"]} 个归置组依赖它。` },
  maintenance: {
    what: (p) => `${target(p)} 正在维护${"left_seconds" in p ? `，还剩 ${Math.ceil(Number(p["left_seconds"]) / 60)} 分钟` : ""}`,
    means: () => "不会因其离线触发重建。",
  },
  replacement: { what: (p) => `${target(p)} 正在更换`, means: (p) => `还有 ${p["groups"]} 个归置组待回填。` },
};

const target = (p: Record<string, string>): string => ("disk" in p ? `节点 ${p["node"]} 的磁盘 ${p["disk"]}` : `节点 ${p["node"]}`);
