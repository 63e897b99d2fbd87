import type { errors as original, errorWords as words } from "../en/errors";
import type { Translation } from "../texts";

export const errors: typeof original = {
  fallbackTitle: () => "操作未成功",
  unauthenticated: () => "会话已失效，请重新登录。",
  wrong_password: () => "账户或密码错误。",
  throttled: () => "尝试次数过多，请稍后再试。",
  forbidden: () => "当前角色没有此权限，请联系管理员。",
  csrf: () => "页面已过期，请刷新后重试。",
  not_found: () => "对象不存在或已被删除。",
  invalid_argument: (p) => (p["reason"] ? `参数无效：${p["reason"]}` : ""),
  conflict: () => "内容已被他人修改，请重新查看后再操作。",
  precondition_failed: () => "",
  too_large: () => "内容过大，无法一次发送。",
  busy: () => "集群繁忙，未做任何更改，请稍后重试。",
  unavailable: () => "服务暂不可用，未做任何更改。",
  no_leader: () => "没有元数据主节点响应。正在选举，期间无法做任何更改。",
  no_space: () => "空间不足。请删除数据、清空回收站或增加磁盘。",
  internal: () => "服务器内部错误。若持续出现，请按请求 ID 查看服务日志。",
  offline: () => "浏览器无法连接服务器，请检查节点与网络。",
  timeout: () => "服务器未在规定时间内响应。",
  unreadable: () => "无法解析服务器的响应。请检查中间代理或服务器版本。",
};

export const errorWords: Translation<typeof words> = {
  title: "操作未成功",
  loadTitle: "无法加载此内容",
  pageTitle: "此页面出现错误",
  pageBody: "控制台其他部分仍可正常使用，集群不受影响。通常刷新页面即可恢复。",
  chunkTitle: "控制台的部分内容无法加载",
  chunkBody: "服务器可能已升级，请刷新页面以获取新版本。",
  requestId: (id) => `请求 ${id}`,
  code: (code) => `代码 ${code}`,
};
