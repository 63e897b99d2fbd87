// Sentences that the server gives in English only, recognised by their form.

type Phrase = [RegExp, (...parts: string[]) => string];

export const phrasesZh: Phrase[] = [
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
  // How balancing stands.
  [/^(\d+) moves under way$/, (n) => `${n} 项迁移进行中`],
  [/^done$/, () => "已完成"],
  [/^(\d+) moves are given up$/, (n) => `正在放弃 ${n} 项迁移`],
  [/^cancelled$/, () => "已取消"],
  [/^balanced$/, () => "已均衡"],
];
