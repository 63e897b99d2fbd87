// Sentences that the server gives in English only, recognised by their form.

type Phrase = [RegExp, (...parts: string[]) => string];

export const phrasesZh: Phrase[] = [
  // What speaks against a drain.
  [
    /^(\d+) of its (\d+) groups would find no other disk/,
    (n, all) => `其 ${all} 个归置组中有 ${n} 个找不到空间足够且满足故障域要求的其他磁盘，或其成员当前无响应`,
  ],
  [
    /^(\d+) groups would have members that share a failure domain/,
    (n) => `${n} 个归置组将有成员处于同一故障域，一次故障可能同时失去两者`,
  ],
  [/^how much lies in each group is still being counted/, () => "各归置组的数据量仍在统计，约一分钟后可知"],
  // What speaks against maintenance.
  [
    /^without it (\d+) groups could not be read(?: \(together with (.*), in maintenance already\))?$/,
    (n, others) => `缺少它时有 ${n} 个归置组无法读取${others ? `（与正在维护的 ${others} 叠加）` : ""}`,
  ],
  [
    /^without it nothing could be written in class (.*?)(?: \(together with (.*), in maintenance already\))?$/,
    (names, others) => `缺少它时存储类 ${names} 无法写入${others ? `（与正在维护的 ${others} 叠加）` : ""}`,
  ],
  [
    /^only (\d+) of (\d+) metaservers would be there/,
    (left, all) => `${all} 台元数据服务器将只剩 ${left} 台，不足多数派，任何更改都无法进行`,
  ],
  // What speaks against a replacement or a removal.
  [/^(\d+) groups may only be on it/, (n) => `${n} 个归置组的数据可能仅存于此`],
  [/^(\d+) groups count on .*: drain it first/, (n) => `仍有 ${n} 个归置组依赖它：请先排空，等待其清空`],
  [/: it takes part: drain it first/, () => "它仍在役：请先排空，等待其清空"],
  [/it leads the metadata group/, () => "它是元数据主节点：请先移交主节点身份"],
  // What speaks against a change of files and accounts.
  [/last enabled account with the role admin/, () => "这是最后一个可用的管理员账户，请先创建另一个管理员"],
  [/into or out of a directory with a quota/, () => "非空目录不能移入或移出设有配额的目录，请改用复制"],
  [/cannot be moved into itself/, () => "目录不能移动到自身之内"],
  [/another process holds a lock/, () => "另一进程持有冲突的锁"],
  [/as many names as it may have/, () => "该文件的硬链接数已达上限"],
  [/too many symbolic links/, () => "路径经过的符号链接过多"],
  [/^the account is disabled/, () => "账户已停用"],
  [/as many (accounts|tokens) as (there|it) can/, () => "数量已达上限"],
  [/too many links/, () => "分享链接过多，请先撤销一些"],
  [/password has at least (\d+) characters/, (n) => `密码至少需要 ${n} 个字符`],
  [/password must not contain the account/, () => "密码不能包含账户名"],
  [/password must not be one character/, () => "密码不能由同一个字符重复组成"],
  // What a procedure waits for.
  [/^waits for an empty directory in the disk's place/, () => "等待在原位置提供空目录，且其节点在线"],
  [
    /^(\d+) groups find no other disk that is apart enough/,
    (n) => `${n} 个归置组找不到空间足够且满足故障域要求的磁盘：请增加磁盘或腾出空间`,
  ],
  [/^(\d+) groups cannot be read whole now/, (n) => `${n} 个归置组当前无法完整读取：有响应的磁盘不足`],
  // How far it is.
  [/^empty; it may be removed$/, () => "已清空，可以移除"],
  [
    /^no group counts on it any more; it still has to let go of (\d+) groups$/,
    (n) => `已没有归置组依赖它，还需释放 ${n} 个归置组`,
  ],
  [/^no group counts on it any more$/, () => "已没有归置组依赖它"],
  [
    /^(\d+) groups still count on it; (.*) do(?:es)? not answer/,
    (n, who) => `仍有 ${n} 个归置组依赖它；${who} 无响应，其数据由其他成员重建`,
  ],
  [/^(\d+) groups still count on it$/, (n) => `仍有 ${n} 个归置组依赖它`],
  [/^away; nothing is rebuilt for that$/, () => "已离线，不会因此触发重建"],
  [/^still here; its absence will cause no rebuild$/, () => "仍在线，离线后不会触发重建"],
  [/^lost; an empty disk may take its place$/, () => "已丢失，可换上空磁盘"],
  [
    /^an empty disk took its place; (\d+) groups are to be filled/,
    (n) => `已换上空磁盘，还有 ${n} 个归置组待回填或迁往他处`,
  ],
  // How balancing ended, and how it stands.
  [/^(\d+) moves under way$/, (n) => `${n} 项迁移进行中`],
  [/^done$/, () => "已完成"],
  [/^done; disks differ by (.*) %$/, (n) => `已完成，磁盘间最大差异 ${n}%`],
  [/^cancelled by an administrator$/, () => "已由管理员取消"],
  [/^(\d+) moves are given up$/, (n) => `正在放弃 ${n} 项迁移`],
  [/^cancelled$/, () => "已取消"],
  [/^balanced$/, () => "已均衡"],
];
