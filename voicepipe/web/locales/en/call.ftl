# A call's page.
call-title = Call { $call }
call-state = State
call-live = Going on
call-ended = Ended
call-started = Began
call-length = Length
call-queue = Queue
call-agent = Agent
call-language = Language
call-coverage = Heard
call-coverage-label = { $percent } of the speech was analysed completely
call-consent = Consent
call-basis-explicit = Given by the caller
call-basis-notice = Announced, and the caller went on
call-basis-contract = Needed for the contract
call-basis-legitimate-interest = Legitimate interest
call-basis-operator-setting = By the operator’s setting; nobody said anything
call-basis-none = Refused
call-basis-withdrawn = Withdrawn
call-basis-unrecognised = Not understood

call-told-refused = The caller did not agree to this analysis: the voice is not scored.
call-told-withdrawn = The caller took the consent back: the voice is not scored any more, and what the settings say was deleted.
call-told-unrecognised = What was recorded about consent is not understood, so the voice is not scored.
call-told-nothing = Nothing that was said in this call is kept.
call-told-unscored = The voice is not scored in this call: it was not allowed, not possible, or the scores were deleted after their time.
call-told-wordless = There is no transcript of this call: it was not made, or it was deleted after its time.
call-told-mixed = Caller and agent are on one track: the stress shown may be of either, and turn-taking cannot be measured.

call-timeline = Timeline
call-timeline-hint = Point at the picture to read it; click to go to the words; drag to enlarge, double-click for the whole.
call-timeline-text = Stress of the caller over the call, and when the caller and the agent spoke. The transcript has the same in words.
call-timeline-empty = There is nothing to draw.
call-read-caller = { $time } · caller · { $level }, { $percent }
call-read-silent = { $time }
call-read-agent = { $time } · agent speaks
call-episodes = Episodes of persistent stress
call-episode = Episode from { $from } to { $to }
call-episode-open = Episode since { $from }
call-episode-end = Episode from { $from } to the end
call-episode-peak = peak { $percent }
call-no-episodes = No episode of persistent stress.
call-new-episode = A new episode began.
call-in-episode = within an episode
call-reason-stress-persisted = stress persisted
call-reason-human-requested = asked for a person

call-transcript = Transcript
call-follow = Follow
call-earlier = Earlier
call-later = Later
call-transcript-waiting = Nobody has spoken yet.
call-transcript-empty = Nothing that was said is kept.
call-no-words = no words
call-line-at = Said at { $time }
call-mark-card = card number
call-mark-iban = IBAN
call-mark-account = account number
call-mark-phone = phone number
call-mark-email = e-mail address
call-mark-id = identity number
call-mark-code = code
call-mark-date-of-birth = date of birth
call-mark-address = address
call-mark-name = name
call-mark-number = number

call-alerts = Alerts of this call
call-story = The call in short
call-handoff = Handoff
call-handoff-copy = Copy for the next agent
call-handoff-made = Quotes from the transcript; nothing is rephrased.
call-handoff-empty = Nothing to hand over yet.
call-handoff-waiting = It is filled in as the call goes on.
call-wants = Wants
call-tried = Has been tried
call-promised = Was promised
call-amounts = Amounts named
call-question = Open question
call-mood = Stress
call-mood-rising = Rising, from { $before } to { $now }
call-mood-falling = Falling, from { $before } to { $now }
call-mood-steady = Steady, { $before } at first, now { $now }
call-last-turns = Last turns

call-measures = Conversation
call-talk = Share of talk
call-talk-value = agent { $agent }, caller { $caller }
call-silences = Silences over 3 s
call-silences-value = { $count ->
    [one] { $count } silence, { $total } in all; the longest { $longest }
   *[other] { $count } silences, { $total } in all; the longest { $longest }
}
call-silences-none = none
call-interruptions = Interruptions
call-interruptions-value = by the agent { $agent }, by the caller { $caller }
call-latency = Agent answers after
call-latency-value = { $median } s (median), { $p90 } s in one answer of ten
call-trend = Stress from the first to the last third

call-warmth = Agent’s warmth
call-warmth-overall = { $points } of 100
call-warmth-words = From the agent’s words and turn-taking alone, never from the voice.
call-warmth-unknown = not called for, or not measurable
call-warmth-greeting = Greeting
call-warmth-name-use = Use of the name
call-warmth-empathy = Empathy
call-warmth-acknowledgement = Listening
call-warmth-patience = Patience
call-warmth-ownership = Taking it on
call-warmth-closing = Closing

call-keys = A call’s page
call-key-episode = Go to the next episode
call-key-move = Next or previous line of the transcript
call-key-copy = Copy the handoff
call-key-follow = Follow the call, or stop following
