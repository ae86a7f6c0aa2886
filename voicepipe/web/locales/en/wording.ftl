# What was found out, in a supervisor's words: voicepipe/web/wording.py.
why-joined = { $left }; { $right }
why-for = { $said } for { $duration } of speech
why-voice-whole = the voice as a whole is unlike calm speech; no single property stands out
with-quote = { $said }: “{ $quote }”
said = said
sentences = { $left } { $right }

request-human = asked for a person
request-supervisor = asked for a supervisor
request-complaint = wants to make a complaint
words-frustrated = frustrated words

deviation-against-own = { $deviations } this caller's normal
deviation-against-usual = { $deviations } what is usual among callers
deviation-item = { $name } { $amount }
deviation-group = { $items } { $side }
side-more = above
side-less = below

sure-below = The evidence of stress by itself is below the level for an alert, which is set for at most { $budget ->
    [one] { $budget } false alarm
   *[other] { $budget } false alarms
} per 100 call-hours.
sure-at = The evidence has just reached the level for an alert, which is set for at most { $budget ->
    [one] { $budget } false alarm
   *[other] { $budget } false alarms
} per 100 call-hours.
sure-over = The evidence is { $times } times the level for an alert, which is set for at most { $budget ->
    [one] { $budget } false alarm
   *[other] { $budget } false alarms
} per 100 call-hours.
sure-far = The evidence is more than { $times } times the level for an alert, which is set for at most { $budget ->
    [one] { $budget } false alarm
   *[other] { $budget } false alarms
} per 100 call-hours.
sure-from-voice = It comes from the voice.
sure-from-words = It comes from the words.
sure-from-both = Voice and words both carry it.
sure-coverage = Only { $percent } of the speech so far was heard in full.

amount-number = { $amount }
amount-points = { $amount ->
    [one] { $amount } percentage point
   *[other] { $amount } percentage points
}
amount-st = { $amount ->
    [one] { $amount } semitone
   *[other] { $amount } semitones
}
amount-st-per-s = { $amount ->
    [one] { $amount } semitone per second
   *[other] { $amount } semitones per second
}
amount-st-per-db = { $amount ->
    [one] { $amount } semitone per dB
   *[other] { $amount } semitones per dB
}
amount-db = { $amount } dB
amount-db-per-s = { $amount } dB per second
amount-db-per-octave = { $amount } dB per octave
amount-db-per-khz = { $amount } dB per kHz
amount-db-per-octave-per-db = { $amount } dB per octave per dB
amount-s = { $amount } s
amount-per-s = { $amount } per second
amount-syllables-per-s = { $amount ->
    [one] { $amount } syllable per second
   *[other] { $amount } syllables per second
}
amount-hz = { $amount } Hz

feature-pitch_median_st = pitch
feature-pitch_sd_st = pitch variation
feature-pitch_p05_st = lowest pitch
feature-pitch_p20_st = pitch floor
feature-pitch_p80_st = pitch ceiling
feature-pitch_p95_st = highest pitch
feature-pitch_range_st = pitch range
feature-pitch_rise_st_per_s = speed of pitch rises
feature-pitch_fall_st_per_s = speed of pitch falls
feature-pitch_slope_st_per_s = pitch drift over the utterance
feature-pitch_final_slope_st_per_s = pitch movement at the end
feature-pitch_movement_st_per_s = pitch movement
feature-voiced_ratio = share of voiced speech
feature-voiced_mean_s = length of voiced stretches
    .more = longer than
    .less = shorter than
feature-voiced_sd_s = variation of voiced stretches
feature-unvoiced_mean_s = length of unvoiced stretches
    .more = longer than
    .less = shorter than
feature-voiced_rate_hz = rate of voiced stretches
feature-level_dbfs = loudness
feature-level_sd_db = loudness variation
feature-level_range_db = loudness range
feature-level_slope_db_per_s = loudness drift over the utterance
feature-level_rise_db_per_s = speed of loudness rises
feature-level_fall_db_per_s = speed of loudness falls
feature-level_peak_db = emphasis of loud syllables
feature-jitter_local_pct = unsteadiness of the pitch (jitter)
feature-jitter_ddp_pct = roughness of the pitch (jitter, ddp)
feature-shimmer_local_pct = unsteadiness of the voice (shimmer)
feature-shimmer_db = unsteadiness of the voice (shimmer)
feature-hnr_mean_db = clearness of the voice
feature-hnr_sd_db = variation of the voice's clearness
feature-cpp_mean_db = firmness of the voice
feature-cpp_sd_db = variation of the voice's firmness
feature-tilt_mean_db_per_octave = sharpness of the voice
feature-tilt_sd_db_per_octave = variation of sharpness
feature-alpha_ratio_mean_db = vocal effort
feature-alpha_ratio_sd_db = variation of vocal effort
feature-hammarberg_mean_db = mellowness of the voice
feature-hammarberg_sd_db = variation of mellowness
feature-slope_low_mean_db_per_khz = spectral slope below 500 Hz
feature-slope_low_sd_db_per_khz = variation of the slope below 500 Hz
feature-slope_mid_mean_db_per_khz = spectral slope from 500 to 1500 Hz
feature-slope_mid_sd_db_per_khz = variation of the slope from 500 to 1500 Hz
feature-centroid_mean_hz = brightness of the voice
feature-centroid_sd_hz = variation of brightness
feature-flux_mean_db = speed of articulation
feature-flux_sd_db = variation of articulation speed
feature-unvoiced_alpha_ratio_db = sharpness of consonants
feature-tilt_per_level = sharpening with loudness
feature-pitch_per_level_st_per_db = pitch rise with loudness
feature-roughness_db = roughness of the voice
feature-syllable_rate_hz = speech rate
    .more = faster than
    .less = slower than
feature-articulation_rate_hz = articulation rate
    .more = faster than
    .less = slower than
feature-pause_rate_hz = rate of pauses
feature-pause_mean_s = length of pauses
    .more = longer than
    .less = shorter than
feature-pause_longest_s = longest pause
    .more = longer than
    .less = shorter than
feature-pause_ratio = share of pauses
feature-speech_s = length of speech
    .more = longer than
    .less = shorter than
feature-modulation_syllabic_ratio = syllabic rhythm
feature-modulation_centroid_hz = speed of the rhythm
feature-pitch_step_st = pitch against the utterance before
feature-tilt_step_db_per_octave = sharpness against the utterance before
feature-rate_step_hz = speech rate against the utterance before
feature-level_step_db = loudness against the utterance before
feature-mfcc_mean = timbre { $number }
feature-mfcc_sd = variation of timbre { $number }
feature-mfcc_change = movement of timbre { $number }
