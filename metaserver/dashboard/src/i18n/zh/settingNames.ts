import type { settingNames as original } from "../en/settingNames";

export const settingNames: typeof original = {
  audit_days: {
    title: "审计日志保留时间",
    meaning: "审计记录保留多久，按集群运行时间计算。",
    effect: "缩短后，超期的记录会在一小时内清理且无法恢复，请先导出。",
    risk: "早于此期限的审计记录将被永久清理。",
  },
  auto_class_growth: {
    title: "随节点增加自动提高副本数",
    meaning: "节点加入时自动提高默认存储类的副本数：一个节点一份，两个节点两份，三个及以上三份。",
    effect: "若已有足够节点，开启后会在后台补充副本，占用空间和流量。",
  },
  balance_auto: {
    title: "自动均衡",
    meaning: "磁盘使用率差异超过阈值时自动均衡。",
    effect: "关闭后，磁盘使用率会逐渐失衡，直到手动发起均衡。",
  },
  balance_bytes_per_second: {
    title: "每块磁盘的均衡速率",
    meaning: "均衡在每块磁盘上可用的读写速率，在修复限速之外另行限制。",
    effect: "数秒内对进行中的迁移生效。",
    zero: "不单独限速",
  },
  balance_parallel: {
    title: "同时迁移数",
    meaning: "整个集群同时迁移的归置组成员数；每块磁盘最多两个迁出、两个迁入。",
    effect: "数值越大均衡越快，与业务的竞争也越多。",
  },
  balance_threshold_percent: {
    title: "均衡启动阈值",
    meaning: "最满与最空磁盘的使用率相差多少时自动开始均衡。",
    effect: "过小会频繁迁移数据，过大则磁盘长期不均。",
  },
  compact_bytes_per_second: {
    title: "每块磁盘的压实速率",
    meaning: "压实为回收已删除数据块的空间，在每块磁盘上可复制的速率。",
    effect: "过低则空间回收较慢，过高则与业务竞争。",
  },
  down_ms: {
    title: "判定离线的时间",
    meaning: "节点失去心跳多久后判定为离线：客户端和修复不再等待它。",
    effect: "时间越短反应越快，但更容易把网络抖动当作故障。",
    risk: "时间过短会把网络抖动或机器繁忙误判为故障。",
  },
  gc_enabled: {
    title: "回收无引用的数据块",
    meaning: "删除不再被任何文件使用的数据块。仅在从备份恢复后、fsck 完成之前关闭。",
    effect: "关闭期间，删除文件不会释放空间。",
    risk: "关闭期间删除文件不会释放空间，磁盘会逐渐写满。若因恢复备份而关闭，在 fsck 完成前开启可能删除仍需要的数据块。",
  },
  grace_seconds: {
    title: "重建前的宽限期",
    meaning: "磁盘离线多久后才在其他磁盘上重建其数据，按集群运行时间计算。",
    effect: "对当前已离线的磁盘同样有效：缩短后可能立即开始重建。",
    risk: "宽限期过短，一次普通重启就会触发整盘重建。",
  },
  mass_failure_percent: {
    title: "大规模失联的暂缓阈值",
    meaning: "宽限期内失联磁盘超过该比例时，不会自动放弃任何磁盘：这通常是网络或供电故障。",
    effect: "立即生效。调高可能使当前暂缓的修复开始执行。",
    risk: "阈值过高时，一台交换机或一路供电故障就可能触发大范围重建。",
  },
  pgs_per_disk: {
    title: "每块磁盘的归置组数",
    meaning: "为每块磁盘保持的可写归置组数量。数量越多，数据与修复负载分布越均匀。",
    effect: "在后台创建或封存归置组，不会迁移数据。",
  },
  read_policy: {
    title: "元数据读取的确认方式",
    meaning: "主节点在应答之前如何确认自己仍是主节点。",
    effect: "立即对所有客户端生效。",
    choices: {
      quorum: { label: "多数派确认", means: "无论时钟如何都正确。需要元数据服务器之间一轮往返，由多个读请求分摊。" },
      lease: { label: "租约", means: "更快：近期的一轮确认即有效。要求各服务器时钟走速相差不大。" },
    },
    risk: "使用租约时，若某台元数据服务器的时钟或进程长时间停顿，可能返回过时的结果。",
  },
  repair_bytes_per_second: {
    title: "每块磁盘的修复速率",
    meaning: "修复与均衡合计在每块磁盘上可用的读写速率。",
    effect: "数秒内生效。限速越低对业务影响越小，但数据处于风险中的时间更长。",
    zero: "不限速",
    risk: "速率过低时，故障磁盘可能数天无法修复完成，期间再发生故障可能丢失数据。",
  },
  repair_parallel_per_disk: {
    title: "每块磁盘的同时修复数",
    meaning: "同一块磁盘上同时进行的复制任务数。",
    effect: "数值越大修复越快，该磁盘上的其他访问会变慢。",
  },
  repair_parallel_total: {
    title: "集群同时修复数",
    meaning: "整个集群同时进行的复制任务数。",
    effect: "数值越大修复越快，网络负载越高。",
  },
  scrub_bytes_per_second: {
    title: "每块磁盘的巡检速率",
    meaning: "巡检在每块磁盘上的读取速率，用于尽早发现损坏。",
    effect: "数秒内生效。速率过低会较晚发现损坏。",
    zero: "不巡检",
    risk: "不巡检时，磁盘上的损坏可能直到最后一份完好副本丢失才被发现。",
  },
  scrub_period_seconds: {
    title: "巡检间隔",
    meaning: "一块磁盘从一轮巡检结束到下一轮开始的时间。",
    effect: "缩短后已到期的磁盘会依次立即开始。",
    zero: "立即开始下一轮",
  },
  session_ttl_ms_max: {
    title: "客户端最长静默时间",
    meaning: "客户端可申请的最长静默时间，超过后会话结束。",
    effect: "对已打开的会话同样有效。异常退出的客户端所持有的锁会保留到那时。",
  },
  session_ttl_ms_min: {
    title: "客户端最短静默时间",
    meaning: "会话至少静默多久才允许结束。",
    effect: "时间越短，异常客户端的锁释放越快，但网络不稳定的客户端更易断开。",
  },
  suspect_ms: {
    title: "判定疑似失联的时间",
    meaning: "节点静默多久后，新写入避开它。",
    effect: "时间越短，节点卡顿时写入越不受影响，不会因此迁移数据。",
  },
  temporary_member_seconds: {
    title: "启用临时成员的时间",
    meaning: "已无冗余的归置组在成员静默多久后增加一个临时成员，使新写入重新安全。",
    effect: "时间越短，新写入越早得到保护，但可能多建不必要的临时成员。",
  },
  timer_profile: {
    title: "元数据组的定时器",
    meaning: "元数据服务器多快发现主节点失联。",
    effect: "数秒内在所有元数据服务器上生效。",
    choices: {
      lan: { label: "局域网", means: "心跳 40 毫秒，110 至 170 毫秒后选举新主节点。适用于同一机房。" },
      wan: { label: "广域网", means: "时间较长，适用于相距数十毫秒的服务器。" },
    },
    risk: "定时器相对网络过短会导致主节点反复切换；过长则主节点故障后恢复较慢。",
  },
  trash_min_age_seconds: {
    title: "不进回收站的短命文件",
    meaning: "从创建到删除不足此时间的文件不保留，多为临时文件。",
    effect: "对此后删除的文件有效。",
    zero: "保留所有文件",
  },
  trash_seconds: {
    title: "已删除文件保留时间",
    meaning: "未单独设置的目录中，已删除文件在回收站保留多久，按集群运行时间计算。",
    effect: "对此后删除的文件有效。回收站中的文件占用空间，磁盘将满时会提前清理。",
    zero: "不保留",
    risk: "不保留时，文件一经删除立即消失。",
  },
  upload_expiry_days: {
    title: "放弃的上传多久后中止",
    meaning: "长时间无人操作的分段上传会被中止，已上传的分段会被删除。",
    effect: "缩短后，超期的上传会在一小时内中止。",
    zero: "永不",
  },
};
