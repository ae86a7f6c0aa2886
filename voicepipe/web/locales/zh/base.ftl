# 每个页面的框架，以及各页面共用的文字。
product = voicepipe
title = { $page } · voicepipe
skip-to-main = 跳到正文

nav-label = 主导航
nav-live = 实时
nav-alerts = 告警
nav-history = 历史
nav-quality = 质量
nav-audit = 审计

connection-on = 已连接
connection-off = 正在重新连接
connection-none = 离线
offline-text = 与服务器的连接已中断。当前显示的是 { $time } 的数据；服务器恢复响应后会自动继续更新。
signed-out-title = 您已退出登录
signed-out-text = 请重新登录后继续。已输入但未提交的内容不会保留。
sign-in = 登录
sign-out = 退出登录
request-failed = 操作未成功，请重试。
request-refused = 您没有执行此操作的权限。

menu-settings = 设置
settings-language = 语言
settings-theme = 外观
theme-auto = 跟随设备
theme-light = 浅色
theme-dark = 深色
settings-keys = 单键快捷键
settings-save = 保存
role-viewer = 观察员
role-supervisor = 主管
role-qa = 质检员
role-admin = 管理员

help-title = 键盘快捷键
help-open = 键盘快捷键
help-close = 关闭
help-group-everywhere = 所有页面
help-key-help = 显示本帮助
help-key-live = 前往实时视图
help-key-alerts = 前往告警
help-key-history = 前往历史
help-key-quality = 前往质量
help-key-search = 搜索
help-key-escape = 关闭已打开的内容
help-then = 然后
help-or = 或

level-calm = 平静
level-raised = 偏高
level-high = 高
level-unknown = 未评分

channel-caller = 客户
channel-agent = 坐席
channel-mixed = 客户或坐席

time-now = 刚刚
utc-time = { $time } UTC

duration-seconds = { $seconds } 秒
duration-minutes = { $minutes } 分 { $seconds } 秒
duration-hours = { $hours } 小时 { $minutes } 分
number = { $value }
list-middle = { $left }、{ $right }
list-last = { $left }、{ $right }
none-value = –
none-label = 未知

copy = 复制
copied = 已复制
copy-failed = 浏览器不允许页面复制。请手动选中文字后复制。
filter-label = 筛选
filter-apply = 显示
filter-clear = 清除筛选
filter-all = 全部
search = 搜索
pager-label = 分页
pager-newer = 较新
pager-older = 较早
loading = 加载中
close = 关闭
cancel = 取消
language-en = 英语
language-ru = 俄语
language-zh = 中文
