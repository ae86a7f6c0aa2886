"""What is measured of an utterance: the catalogue of prosodic features, each with its unit, formula and source.

All but ``level_dbfs`` are invariant to gain and to DC, and so is ``level_step_db`` where both utterances came over
the same line. *Voiced frames* are those with a pitch (`voicepipe.stress.pitch`), *speech frames* those within 25 dB
of the loudest and clear of the noise floor; frames are 40 ms long and 10 ms apart. L is a frame's level in dB, st its
pitch in semitones, 12 log2(F0 / 55 Hz), and P its power spectrum. A slope over frames is that of least squares.

References
----------
.. [GeMAPS] Eyben et al., "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective
   Computing", IEEE Trans. Affective Computing 7 (2016), 190-202.
.. [Boersma] "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
   sound", Proc. Inst. Phonetic Sciences 17 (1993), 97-110.
.. [Praat] Praat manual, "Voice 2. Jitter" and "Voice 3. Shimmer".
.. [Hillenbrand] Hillenbrand, Cleveland and Erickson, "Acoustic correlates of breathy vocal quality", J. Speech Hearing
   Res. 37 (1994), 769-778.
.. [Hammarberg] Hammarberg et al., "Perceptual and acoustic correlates of abnormal voice qualities", Acta
   Otolaryngologica 90 (1980), 441-451.
.. [DeJong] De Jong and Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior
   Research Methods 41 (2009), 385-390.
.. [Greenberg] "Speaking in shorthand", Speech Communication 29 (1999), 159-176.
.. [Davis] Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", IEEE
   Trans. ASSP 28 (1980), 357-366.
.. [Arnal] Arnal et al., "Human screams occupy a privileged niche in the communication soundscape", Current Biology 25
   (2015), 2051-2056: roughness is modulation at 30 to 150 Hz; above 70 Hz lies the pitch of low voices.
.. [Peeters] "A large set of audio features for sound description", IRCAM (2004).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One measurement: its name, its unit, how it is computed and the words that explain it.

    Attributes
    ----------
    name : str
        Ends in the unit where there is one.
    unit : str
        Plain English: "semitones"; empty for ratios and cepstral coefficients.
    label : str
        What a supervisor would call it: "pitch".
    formula : str
        How it is computed, in the terms of the module's docstring.
    source : str
        Key of the module's references; "own" where the statistic of a sourced contour is ours.
    above, below : str
        Words for a value over or under the caller's normal: "pitch 4.1 semitones above this caller's normal".
    """

    name: str
    unit: str
    label: str
    formula: str
    source: str
    above: str = "above"
    below: str = "below"


def _f(
    name: str, unit: str, label: str, formula: str, source: str, above: str = "above", below: str = "below"
) -> Feature:
    return Feature(name=name, unit=unit, label=label, formula=formula, source=source, above=above, below=below)


_ST, _ST_S, _DB, _DB_S, _OCT, _KHZ = (
    "semitones",
    "semitones per second",
    "dB",
    "dB per second",
    "dB per octave",
    "dB per kHz",
)
_SYLLABLES, _LONGER, _FASTER = "syllables per second", ("longer than", "shorter than"), ("faster than", "slower than")

FEATURES: tuple[Feature, ...] = (
    _f("pitch_median_st", _ST, "pitch", "median of st", "GeMAPS"),
    _f("pitch_sd_st", _ST, "pitch variation", "standard deviation of st", "GeMAPS"),
    _f("pitch_p05_st", _ST, "lowest pitch", "5th percentile of st", "own"),
    _f("pitch_p20_st", _ST, "pitch floor", "20th percentile of st", "GeMAPS"),
    _f("pitch_p80_st", _ST, "pitch ceiling", "80th percentile of st", "GeMAPS"),
    _f("pitch_p95_st", _ST, "highest pitch", "95th percentile of st", "own"),
    _f("pitch_range_st", _ST, "pitch range", "95th minus 5th percentile of st", "GeMAPS"),
    _f(
        "pitch_rise_st_per_s",
        _ST_S,
        "speed of pitch rises",
        "mean of the positive slopes of st over 5 frames",
        "GeMAPS",
    ),
    _f(
        "pitch_fall_st_per_s",
        _ST_S,
        "speed of pitch falls",
        "minus mean of the negative slopes of st over 5 frames",
        "GeMAPS",
    ),
    _f("pitch_slope_st_per_s", _ST_S, "pitch drift over the utterance", "slope of st over the utterance", "own"),
    _f(
        "pitch_final_slope_st_per_s",
        _ST_S,
        "pitch movement at the end",
        "slope of st over the last 0.3 s to the last voiced frame",
        "own",
    ),
    _f("pitch_movement_st_per_s", _ST_S, "pitch movement", "mean absolute slope of st over 5 frames", "own"),
    _f("voiced_ratio", "", "share of voiced speech", "voiced frames / speech frames", "own"),
    _f(
        "voiced_mean_s",
        "seconds",
        "length of voiced stretches",
        "mean length of runs of voiced frames",
        "GeMAPS",
        *_LONGER,
    ),
    _f("voiced_sd_s", "seconds", "variation of voiced stretches", "standard deviation of those lengths", "GeMAPS"),
    _f(
        "unvoiced_mean_s",
        "seconds",
        "length of unvoiced stretches",
        "mean length of runs of unvoiced speech frames",
        "GeMAPS",
        *_LONGER,
    ),
    _f(
        "voiced_rate_hz",
        "per second",
        "rate of voiced stretches",
        "runs of voiced frames / seconds of speech frames",
        "GeMAPS",
    ),
    _f("level_dbfs", _DB, "loudness", "10 log10 of the mean square over speech frames, re full scale", "own"),
    _f("level_sd_db", _DB, "loudness variation", "standard deviation of L over speech frames", "GeMAPS"),
    _f("level_range_db", _DB, "loudness range", "80th minus 20th percentile of L over speech frames", "GeMAPS"),
    _f("level_slope_db_per_s", _DB_S, "loudness drift over the utterance", "slope of L over speech frames", "own"),
    _f(
        "level_rise_db_per_s",
        _DB_S,
        "speed of loudness rises",
        "mean of the positive slopes of L over 5 frames",
        "GeMAPS",
    ),
    _f(
        "level_fall_db_per_s",
        _DB_S,
        "speed of loudness falls",
        "minus mean of the negative slopes of L over 5 frames",
        "GeMAPS",
    ),
    _f(
        "level_peak_db",
        _DB,
        "emphasis of loud syllables",
        "95th percentile minus median of L over speech frames",
        "own",
    ),
    _f(
        "jitter_local_pct",
        "percent",
        "unsteadiness of the pitch (jitter)",
        "mean |T2 - T1| / mean T over consecutive periods",
        "Praat",
    ),
    _f(
        "jitter_ddp_pct",
        "percent",
        "roughness of the pitch (jitter, ddp)",
        "mean |(T3 - T2) - (T2 - T1)| / mean T",
        "Praat",
    ),
    _f(
        "shimmer_local_pct",
        "percent",
        "unsteadiness of the voice (shimmer)",
        "mean |A2 - A1| / mean A over consecutive pulses",
        "Praat",
    ),
    _f(
        "shimmer_db",
        _DB,
        "unsteadiness of the voice (shimmer)",
        "mean |20 log10(A2 / A1)| over consecutive pulses",
        "Praat",
    ),
    _f(
        "hnr_mean_db",
        _DB,
        "clearness of the voice",
        "mean of 10 log10(r / (1 - r)), r the autocorrelation at the period",
        "Boersma",
    ),
    _f("hnr_sd_db", _DB, "variation of the voice's clearness", "standard deviation of the same", "Boersma"),
    _f(
        "cpp_mean_db",
        _DB,
        "firmness of the voice",
        "mean height of the cepstral peak over the cepstrum's line",
        "Hillenbrand",
    ),
    _f("cpp_sd_db", _DB, "variation of the voice's firmness", "standard deviation of the same", "Hillenbrand"),
    _f(
        "tilt_mean_db_per_octave",
        _OCT,
        "sharpness of the voice",
        "slope over octaves of P's ten third-octave means, 300 to 3024 Hz; mean over voiced frames",
        "own",
    ),
    _f("tilt_sd_db_per_octave", _OCT, "variation of sharpness", "standard deviation of the same", "own"),
    _f(
        "alpha_ratio_mean_db",
        _DB,
        "vocal effort",
        "mean of 10 log10(P 1000 to 3400 Hz / P 200 to 1000 Hz), the alpha ratio within the telephone band",
        "GeMAPS",
    ),
    _f("alpha_ratio_sd_db", _DB, "variation of vocal effort", "standard deviation of the same", "GeMAPS"),
    _f(
        "hammarberg_mean_db",
        _DB,
        "mellowness of the voice",
        "mean of max L(200 to 2000 Hz) - max L(2000 to 3500 Hz)",
        "Hammarberg",
    ),
    _f("hammarberg_sd_db", _DB, "variation of mellowness", "standard deviation of the same", "Hammarberg"),
    _f(
        "slope_low_mean_db_per_khz",
        _KHZ,
        "spectral slope below 500 Hz",
        "mean slope of 10 log10 P, 200 to 500 Hz",
        "GeMAPS",
    ),
    _f(
        "slope_low_sd_db_per_khz",
        _KHZ,
        "variation of the slope below 500 Hz",
        "standard deviation of the same",
        "GeMAPS",
    ),
    _f(
        "slope_mid_mean_db_per_khz",
        _KHZ,
        "spectral slope from 500 to 1500 Hz",
        "mean slope of 10 log10 P, 500 to 1500 Hz",
        "GeMAPS",
    ),
    _f(
        "slope_mid_sd_db_per_khz",
        _KHZ,
        "variation of the slope from 500 to 1500 Hz",
        "standard deviation of the same",
        "GeMAPS",
    ),
    _f("centroid_mean_hz", "Hz", "brightness of the voice", "mean of sum(f P) / sum(P), 300 to 3400 Hz", "Peeters"),
    _f("centroid_sd_hz", "Hz", "variation of brightness", "standard deviation of the same", "Peeters"),
    _f(
        "flux_mean_db",
        _DB,
        "speed of articulation",
        "mean over 20 mel bands and speech frames of |change of the level-free band level| in 10 ms",
        "own",
    ),
    _f("flux_sd_db", _DB, "variation of articulation speed", "standard deviation over frames of the same", "own"),
    _f(
        "unvoiced_alpha_ratio_db",
        _DB,
        "sharpness of consonants",
        "mean alpha ratio over unvoiced speech frames",
        "GeMAPS",
    ),
    _f(
        "tilt_per_level",
        "dB per octave per dB",
        "sharpening with loudness",
        "slope of tilt over L, voiced frames",
        "own",
    ),
    _f(
        "pitch_per_level_st_per_db",
        "semitones per dB",
        "pitch rise with loudness",
        "slope of st over L, voiced frames",
        "own",
    ),
    *(
        _f(
            f"mfcc{i}_mean",
            "",
            f"timbre {i}",
            f"mean of coefficient {i} of the DCT of 20 mel band levels in dB, 200 to 3500 Hz",
            "Davis",
        )
        for i in range(1, 9)
    ),
    *(
        _f(f"mfcc{i}_sd", "", f"variation of timbre {i}", "standard deviation of the same", "Davis")
        for i in range(1, 9)
    ),
    *(
        _f(
            f"mfcc{i}_change",
            "",
            f"movement of timbre {i}",
            f"mean |change of coefficient {i} in 20 ms| within voiced stretches",
            "Davis",
        )
        for i in range(1, 7)
    ),
    _f(
        "roughness_db",
        _DB,
        "roughness of the voice",
        "power of the envelope's modulation at 30 to 70 Hz over that at 1 to 30 Hz",
        "Arnal",
    ),
    _f(
        "syllable_rate_hz",
        _SYLLABLES,
        "speech rate",
        "peaks of L (smoothed, 2 dB prominent, near voiced frames) / length from first to last speech frame",
        "DeJong",
        *_FASTER,
    ),
    _f(
        "articulation_rate_hz",
        _SYLLABLES,
        "articulation rate",
        "the same peaks / that length without pauses",
        "DeJong",
        *_FASTER,
    ),
    _f(
        "pause_rate_hz",
        "per second",
        "rate of pauses",
        "gaps of 0.15 s or more between speech frames / that length",
        "DeJong",
    ),
    _f("pause_mean_s", "seconds", "length of pauses", "mean length of those gaps", "own", *_LONGER),
    _f("pause_longest_s", "seconds", "longest pause", "longest of those gaps, 0 where there is none", "own", *_LONGER),
    _f("pause_ratio", "", "share of pauses", "seconds of those gaps / that length", "own"),
    _f("speech_s", "seconds", "length of speech", "that length without pauses", "own", *_LONGER),
    _f(
        "modulation_syllabic_ratio",
        "",
        "syllabic rhythm",
        "share of the power of L's modulation, 1 to 16 Hz, that lies in 3 to 8 Hz",
        "Greenberg",
    ),
    _f(
        "modulation_centroid_hz",
        "Hz",
        "speed of the rhythm",
        "centroid of the power of L's modulation, 1 to 16 Hz",
        "Greenberg",
    ),
    _f(
        "pitch_step_st",
        _ST,
        "pitch against the utterance before",
        "pitch_median_st minus that of the utterance before",
        "own",
    ),
    _f(
        "tilt_step_db_per_octave",
        _OCT,
        "sharpness against the utterance before",
        "tilt_mean_db_per_octave minus that of the utterance before",
        "own",
    ),
    _f(
        "rate_step_hz",
        _SYLLABLES,
        "speech rate against the utterance before",
        "articulation_rate_hz minus that of the utterance before",
        "own",
    ),
    _f(
        "level_step_db",
        _DB,
        "loudness against the utterance before",
        "level_dbfs minus that of the utterance before",
        "own",
    ),
)
"""What `voicepipe.stress.prosody.extract` measures, in the order of `ProsodyFeatures.values`."""
