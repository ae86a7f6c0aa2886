# Что выяснено, словами супервизора: voicepipe/web/wording.py.
why-joined = { $left }; { $right }
why-for = { $said } на протяжении { $duration } речи
why-voice-whole = голос в целом не похож на спокойную речь; ни одно свойство не выделяется
with-quote = { $said }: «{ $quote }»
said = сказано
sentences = { $left } { $right }

request-human = просит соединить с человеком
request-supervisor = просит позвать руководителя
request-complaint = хочет подать жалобу
words-frustrated = раздражение в словах

deviation-against-own = { $deviations } обычного для этого клиента
deviation-against-usual = { $deviations } обычного у других клиентов
deviation-item = { $name } на { $amount }
deviation-group = { $items } { $side }
side-more = выше
side-less = ниже

sure-below = Признаки стресса сами по себе слабее порога сигнала; порог рассчитан не более чем на { $budget } { $budget ->
    [one] ложную тревогу
    [few] ложные тревоги
    [many] ложных тревог
   *[other] ложной тревоги
} за 100 часов разговоров.
sure-at = Признаки стресса только что достигли порога сигнала; порог рассчитан не более чем на { $budget } { $budget ->
    [one] ложную тревогу
    [few] ложные тревоги
    [many] ложных тревог
   *[other] ложной тревоги
} за 100 часов разговоров.
sure-over = Сила признаков стресса в { $times } { $times ->
    [one] раз
    [few] раза
    [many] раз
   *[other] раза
} выше порога сигнала; порог рассчитан не более чем на { $budget } { $budget ->
    [one] ложную тревогу
    [few] ложные тревоги
    [many] ложных тревог
   *[other] ложной тревоги
} за 100 часов разговоров.
sure-far = Сила признаков стресса более чем в { $times } { $times ->
    [one] раз
    [few] раза
    [many] раз
   *[other] раза
} выше порога сигнала; порог рассчитан не более чем на { $budget } { $budget ->
    [one] ложную тревогу
    [few] ложные тревоги
    [many] ложных тревог
   *[other] ложной тревоги
} за 100 часов разговоров.
sure-from-voice = Об этом говорит голос.
sure-from-words = Об этом говорят слова.
sure-from-both = Об этом говорят и голос, и слова.
sure-coverage = Полностью проанализировано только { $percent } речи.

amount-number = { $amount }
amount-points = { $amount } { $amount ->
    [one] процентный пункт
    [few] процентных пункта
    [many] процентных пунктов
   *[other] процентного пункта
}
amount-st = { $amount } { $amount ->
    [one] полутон
    [few] полутона
    [many] полутонов
   *[other] полутона
}
amount-st-per-s = { $amount } { $amount ->
    [one] полутон
    [few] полутона
    [many] полутонов
   *[other] полутона
} в секунду
amount-st-per-db = { $amount } { $amount ->
    [one] полутон
    [few] полутона
    [many] полутонов
   *[other] полутона
} на дБ
amount-db = { $amount } дБ
amount-db-per-s = { $amount } дБ в секунду
amount-db-per-octave = { $amount } дБ на октаву
amount-db-per-khz = { $amount } дБ на кГц
amount-db-per-octave-per-db = { $amount } дБ на октаву на дБ
amount-s = { $amount } с
amount-per-s = { $amount } в секунду
amount-syllables-per-s = { $amount } { $amount ->
    [one] слог
    [few] слога
    [many] слогов
   *[other] слога
} в секунду
amount-hz = { $amount } Гц

feature-pitch_median_st = тон голоса
feature-pitch_sd_st = разброс тона
    .more = больше
    .less = меньше
feature-pitch_p05_st = самый низкий тон
feature-pitch_p20_st = нижняя граница тона
feature-pitch_p80_st = верхняя граница тона
feature-pitch_p95_st = самый высокий тон
feature-pitch_range_st = диапазон тона
    .more = больше
    .less = меньше
feature-pitch_rise_st_per_s = скорость подъёмов тона
feature-pitch_fall_st_per_s = скорость спадов тона
feature-pitch_slope_st_per_s = сдвиг тона за реплику
feature-pitch_final_slope_st_per_s = ход тона в конце реплики
feature-pitch_movement_st_per_s = подвижность тона
feature-voiced_ratio = доля голоса в речи
feature-voiced_mean_s = длина участков с голосом
    .more = больше
    .less = меньше
feature-voiced_sd_s = разброс участков с голосом
    .more = больше
    .less = меньше
feature-unvoiced_mean_s = длина участков без голоса
    .more = больше
    .less = меньше
feature-voiced_rate_hz = частота участков с голосом
feature-level_dbfs = громкость
feature-level_sd_db = разброс громкости
    .more = больше
    .less = меньше
feature-level_range_db = диапазон громкости
    .more = больше
    .less = меньше
feature-level_slope_db_per_s = сдвиг громкости за реплику
feature-level_rise_db_per_s = скорость подъёмов громкости
feature-level_fall_db_per_s = скорость спадов громкости
feature-level_peak_db = выделение громких слогов
    .more = сильнее
    .less = слабее
feature-jitter_local_pct = дрожание тона (джиттер)
    .more = больше
    .less = меньше
feature-jitter_ddp_pct = неровность тона (джиттер, ddp)
    .more = больше
    .less = меньше
feature-shimmer_local_pct = дрожание голоса (шиммер)
    .more = больше
    .less = меньше
feature-shimmer_db = дрожание голоса (шиммер)
    .more = больше
    .less = меньше
feature-hnr_mean_db = чистота голоса
feature-hnr_sd_db = разброс чистоты голоса
    .more = больше
    .less = меньше
feature-cpp_mean_db = твёрдость голоса
feature-cpp_sd_db = разброс твёрдости голоса
    .more = больше
    .less = меньше
feature-tilt_mean_db_per_octave = резкость голоса
feature-tilt_sd_db_per_octave = разброс резкости
    .more = больше
    .less = меньше
feature-alpha_ratio_mean_db = напряжение голоса
feature-alpha_ratio_sd_db = разброс напряжения голоса
    .more = больше
    .less = меньше
feature-hammarberg_mean_db = мягкость голоса
feature-hammarberg_sd_db = разброс мягкости
    .more = больше
    .less = меньше
feature-slope_low_mean_db_per_khz = наклон спектра ниже 500 Гц
feature-slope_low_sd_db_per_khz = разброс наклона спектра ниже 500 Гц
    .more = больше
    .less = меньше
feature-slope_mid_mean_db_per_khz = наклон спектра от 500 до 1500 Гц
feature-slope_mid_sd_db_per_khz = разброс наклона спектра от 500 до 1500 Гц
    .more = больше
    .less = меньше
feature-centroid_mean_hz = звонкость голоса
feature-centroid_sd_hz = разброс звонкости
    .more = больше
    .less = меньше
feature-flux_mean_db = скорость артикуляции
feature-flux_sd_db = разброс скорости артикуляции
    .more = больше
    .less = меньше
feature-unvoiced_alpha_ratio_db = резкость согласных
feature-tilt_per_level = рост резкости с громкостью
feature-pitch_per_level_st_per_db = рост тона с громкостью
feature-roughness_db = хриплость голоса
feature-syllable_rate_hz = темп речи
feature-articulation_rate_hz = темп артикуляции
feature-pause_rate_hz = частота пауз
feature-pause_mean_s = длина пауз
    .more = больше
    .less = меньше
feature-pause_longest_s = самая длинная пауза
    .more = больше
    .less = меньше
feature-pause_ratio = доля пауз
feature-speech_s = длительность речи
    .more = больше
    .less = меньше
feature-modulation_syllabic_ratio = слоговой ритм
feature-modulation_centroid_hz = скорость ритма
feature-pitch_step_st = тон относительно предыдущей реплики
feature-tilt_step_db_per_octave = резкость относительно предыдущей реплики
feature-rate_step_hz = темп речи относительно предыдущей реплики
feature-level_step_db = громкость относительно предыдущей реплики
feature-mfcc_mean = тембр { $number }
feature-mfcc_sd = разброс тембра { $number }
feature-mfcc_change = подвижность тембра { $number }
