# The history of alerts, and how good they are.
history-period = Period
history-days = { $days ->
    [1] Last 24 hours
   *[other] Last { $days } days
}
history-verdict = Verdict
history-verdict-justified = Justified
history-verdict-false-alarm = False alarm
history-verdict-unsure = Unsure
history-verdict-unjudged = Not judged
history-queue = Queue
history-language = Language
history-agent = Agent
history-when = When
history-why = Why
history-taken = Taken by
history-somebody = somebody
history-caption = Past alerts, newest first
history-open = Open call { $call }
history-range = { $first } to { $last } of { $total }
history-total = { $total ->
    [one] { $total } alert
   *[other] { $total } alerts
}
history-none = No alert fits the filter
history-none-text = Choose a longer period, or clear the filter.
history-empty = No alerts yet
history-empty-text = Every alert is listed here with its verdict, for as long as the settings keep it.

quality-period = Period
quality-weeks = Last { $weeks } weeks
quality-queue = Queue
quality-language = Language
quality-week = Week from
quality-precision = Share of alerts justified
quality-precision-detail = 95% interval { $low } to { $high }; { $judged } judged of { $alerts }
quality-precision-few = { $judged } judged of { $alerts }; nothing is claimed on fewer than { $least }
quality-false = False alarms per 100 call-hours
quality-false-kept = 95% interval { $low } to { $high }; within the budget of { $budget }
quality-false-exceeded = 95% interval { $low } to { $high }; above the budget of { $budget }
quality-false-open = 95% interval { $low } to { $high }; the budget is { $budget }, and the verdicts do not tell yet whether it is kept
quality-false-count = { $wrong } in { $hours } h
quality-false-few = too little to tell a rate: that takes { $hours } h of calls or { $least } false alarms; the budget is { $budget }
quality-false-none = No call of this period has ended.
quality-false-basis = Alerts for persistent stress: { $alerts } in { $hours } h of calls. Judged false alarms: { $wrong }; unsure or not judged, and not counted: { $unjudged }.
quality-false-worst = If all of those were false alarms, the rate could be up to { $rate }.
quality-found = From first evidence to alert
quality-taken = From alert to take
quality-delay-p90 = median of { $count }; one in ten took longer than { $p90 }
quality-delay-count = { $count ->
    [0] none in this period
    [one] { $count } alert
   *[other] median of { $count }
}
quality-by-week-chart = Alerts by week
quality-by-week = By week
quality-by-queue = By queue
quality-by-language = By language
quality-alerts = Alerts
quality-justified = Justified
quality-false-alarms = False
quality-unsure = Unsure
quality-unjudged = Not judged
quality-undecided = Undecided
quality-share = Share
quality-between = { $low } to { $high }
quality-too-few = fewer than { $least } judged
quality-not-said = not known
quality-empty = No alerts in this period
quality-empty-text = Choose a longer period, or another queue or language.

quality-drift = Scores against calibration
quality-drift-warning = Callers do not score as calm speech did at calibration: the budget of false alarms may not hold. Label some calls and run: voicepipe calibrate
quality-drift-steady = Callers score like the calm speech that the model was calibrated on, as far as these calls can tell. Nothing to do.
quality-drift-drifted = Callers score differently from the calm speech that the model was calibrated on. It is time to recalibrate: label some calls and run voicepipe calibrate.
quality-drift-too-few = { $callers ->
    [one] Only { $callers } caller with enough speech in the last { $weeks } weeks: too few to compare with calibration.
   *[other] Only { $callers } callers with enough speech in the last { $weeks } weeks: too few to compare with calibration.
}
quality-drift-no-model = The stress model is not loaded yet.
quality-drift-shift = The median caller is shifted by { $shift } standard deviations of calm speech (99% interval { $low } to { $high }).
quality-drift-psi = The population stability index is { $psi }; from 0.25 the scores have another distribution.
quality-drift-basis = { $callers } callers with { $utterances } utterances of the last { $weeks } weeks, each caller weighing the same, against { $reference } callers of the calibration.
quality-drift-caption = Share of utterances by tenth of calm speech, lowest scores first
quality-drift-expected = At calibration
quality-drift-observed = Now
