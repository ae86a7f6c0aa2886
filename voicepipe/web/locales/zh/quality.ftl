# 告警历史与质量。
history-period = 时段
history-days = { $days ->
    [1] 最近 24 小时
   *[other] 最近 { $days } 天
}
history-verdict = 判定
history-verdict-justified = 属实
history-verdict-false-alarm = 误报
history-verdict-unsure = 不确定
history-verdict-unjudged = 未判定
history-queue = 队列
history-language = 语言
history-agent = 坐席
history-when = 时间
history-why = 原因
history-taken = 接手人
history-somebody = 未署名者
history-caption = 历史告警，最新的在前
history-open = 打开通话 { $call }
history-range = 第 { $first } 至 { $last } 条，共 { $total } 条
history-total = 共 { $total } 条告警
history-none = 没有符合筛选条件的告警
history-none-text = 请选择更长的时段，或清除筛选。
history-empty = 还没有告警
history-empty-text = 在设置的保存期内，每条告警及其判定都列在这里。

quality-period = 时段
quality-weeks = 最近 { $weeks } 周
quality-queue = 队列
quality-language = 语言
quality-week = 周起始日
quality-precision = 属实的告警占比
quality-precision-detail = 95% 区间 { $low } 至 { $high }；{ $alerts } 条中已判定 { $judged } 条
quality-precision-few = { $alerts } 条中已判定 { $judged } 条；少于 { $least } 条不作结论
quality-false = 每 100 通话小时误报数
quality-false-kept = 95% 区间 { $low } 至 { $high }；未超过上限 { $budget }
quality-false-exceeded = 95% 区间 { $low } 至 { $high }；超出上限 { $budget }
quality-false-open = 95% 区间 { $low } 至 { $high }；上限为 { $budget }，现有判定尚不足以说明是否超出
quality-false-count = { $hours } 小时内 { $wrong } 条
quality-false-few = 数据太少，无法得出比率：需要 { $hours } 通话小时或 { $least } 条误报；上限为 { $budget }
quality-false-none = 此时段没有已结束的通话。
quality-false-basis = { $hours } 通话小时内有 { $alerts } 条持续压力告警，其中 { $wrong } 条判为误报；{ $unjudged } 条不确定或未判定，不计入。
quality-false-worst = 若这些全是误报，比率最高可达 { $rate }。
quality-found = 从最初迹象到告警
quality-taken = 从告警到接手
quality-delay-p90 = { $count } 次的中位数；十分之一超过 { $p90 }
quality-delay-count = { $count ->
    [0] 此时段没有
    [1] 仅 1 次
   *[other] { $count } 次的中位数
}
quality-by-week-chart = 各周告警
quality-by-week = 按周
quality-by-queue = 按队列
quality-by-language = 按语言
quality-alerts = 告警
quality-justified = 属实
quality-false-alarms = 误报
quality-unsure = 不确定
quality-unjudged = 未判定
quality-undecided = 未定
quality-share = 属实占比
quality-between = { $low } 至 { $high }
quality-too-few = 判定不足 { $least } 条
quality-not-said = 未知
quality-empty = 此时段没有告警
quality-empty-text = 请选择更长的时段，或其他队列、语言。

quality-drift = 评分与校准的对比
quality-drift-warning = 客户的压力评分与校准时的平静语音不同：误报上限可能无法保证。请标注一些通话并运行：voicepipe calibrate
quality-drift-steady = 就这些通话来看，客户的压力评分与校准所用的平静语音一致，无需处理。
quality-drift-drifted = 客户的压力评分与校准所用的平静语音不同，应当重新校准：请标注一些通话并运行 voicepipe calibrate。
quality-drift-too-few = 最近 { $weeks } 周只有 { $callers } 位客户的语音足够长：人数太少，无法与校准对比。
quality-drift-no-model = 压力模型尚未加载。
quality-drift-shift = 处于中位的客户偏移了平静语音标准差的 { $shift } 倍（99% 区间 { $low } 至 { $high }）。
quality-drift-psi = 群体稳定性指数（PSI）为 { $psi }；达到 0.25 即视为评分分布已改变。
quality-drift-basis = 最近 { $weeks } 周 { $callers } 位客户的 { $utterances } 句话，每位客户权重相同；对照校准时的 { $reference } 位客户。
quality-drift-caption = 各话语落入平静语音十分位的占比，评分从低到高
quality-drift-expected = 校准时
quality-drift-observed = 现在
