# История сигналов и их качество.
history-period = Период
history-days = { $days ->
    [1] Последние 24 часа
    [one] Последний { $days } день
    [few] Последние { $days } дня
   *[many] Последние { $days } дней
}
history-verdict = Оценка
history-verdict-justified = Обоснован
history-verdict-false-alarm = Ложная тревога
history-verdict-unsure = Неясно
history-verdict-unjudged = Без оценки
history-queue = Очередь
history-language = Язык
history-agent = Оператор
history-when = Когда
history-why = Почему
history-taken = Кто взял
history-somebody = кто-то
history-caption = Прошлые сигналы, сначала новые
history-open = Открыть звонок { $call }
history-range = { $first }–{ $last } из { $total }
history-total = Сигналов: { $total }
history-none = Под фильтр ничего не подходит
history-none-text = Выберите период подольше или сбросьте фильтр.
history-empty = Сигналов пока нет
history-empty-text = Здесь будет каждый сигнал с его оценкой, пока не истечёт срок хранения.

quality-period = Период
quality-weeks = { $weeks ->
    [one] Последняя { $weeks } неделя
    [few] Последние { $weeks } недели
   *[many] Последние { $weeks } недель
}
quality-queue = Очередь
quality-language = Язык
quality-week = Неделя с
quality-precision = Доля обоснованных сигналов
quality-precision-detail = 95 %-й интервал: от { $low } до { $high }; оценено { $judged } из { $alerts }
quality-precision-few = оценено { $judged } из { $alerts }; меньше { $least } оценок ни о чём не говорят
quality-false = Ложных тревог на 100 часов разговоров
quality-false-kept = 95 %-й интервал: от { $low } до { $high }; в пределах нормы { $budget }
quality-false-exceeded = 95 %-й интервал: от { $low } до { $high }; выше нормы { $budget }
quality-false-open = 95 %-й интервал: от { $low } до { $high }; норма { $budget }, по оценкам пока не видно, соблюдена ли она
quality-false-count = { $wrong } за { $hours } ч
quality-false-few = слишком мало, чтобы судить о частоте: нужно { $hours } ч разговоров или { $least } ложных тревог; норма { $budget }
quality-false-none = За этот период не закончился ни один звонок.
quality-false-basis = Сигналов об устойчивом стрессе: { $alerts } за { $hours } ч разговоров. Признаны ложной тревогой: { $wrong }; неясны или не оценены и в расчёт не вошли: { $unjudged }.
quality-false-worst = Если все они ложные, показатель может достигать { $rate }.
quality-found = От первых признаков до сигнала
quality-taken = От сигнала до того, как его взяли
quality-delay-p90 = медиана по { $count }; каждый десятый раз дольше { $p90 }
quality-delay-count = { $count ->
    [0] за период ни одного
    [one] всего { $count }
   *[other] медиана по { $count }
}
quality-by-week-chart = Сигналы по неделям
quality-by-week = По неделям
quality-by-queue = По очередям
quality-by-language = По языкам
quality-alerts = Сигналы
quality-justified = Обоснованы
quality-false-alarms = Ложные
quality-unsure = Неясно
quality-unjudged = Не оценены
quality-undecided = Не решены
quality-share = Доля
quality-between = от { $low } до { $high }
quality-too-few = оценено меньше { $least }
quality-not-said = неизвестно
quality-empty = За этот период сигналов нет
quality-empty-text = Выберите период подольше, другую очередь или язык.

quality-drift = Оценки стресса и калибровка
quality-drift-warning = Оценки стресса у клиентов не такие, как у спокойной речи при калибровке: норма ложных тревог может не соблюдаться. Разметьте несколько звонков и запустите: voicepipe calibrate
quality-drift-steady = Насколько видно по этим звонкам, оценки стресса у клиентов такие же, как у спокойной речи при калибровке. Делать ничего не нужно.
quality-drift-drifted = Оценки стресса у клиентов отличаются от оценок спокойной речи, по которой калибровали модель. Пора калибровать заново: разметьте несколько звонков и запустите voicepipe calibrate.
quality-drift-too-few = { $callers ->
    [one] За последние { $weeks } нед. речи хватает только у { $callers } клиента: этого мало для сравнения с калибровкой.
   *[other] За последние { $weeks } нед. речи хватает только у { $callers } клиентов: этого мало для сравнения с калибровкой.
}
quality-drift-no-model = Модель стресса ещё не загружена.
quality-drift-shift = Средний (медианный) клиент сдвинут на { $shift } стандартного отклонения спокойной речи (99 %-й интервал от { $low } до { $high }).
quality-drift-psi = Индекс стабильности распределения (PSI) равен { $psi }; начиная с 0,25 распределение оценок считается изменившимся.
quality-drift-basis = Клиентов: { $callers }, реплик: { $utterances } за последние { $weeks } нед., вес всех клиентов одинаков; при калибровке клиентов было { $reference }.
quality-drift-caption = Доля реплик в каждой десятой части спокойной речи, от низких оценок к высоким
quality-drift-expected = При калибровке
quality-drift-observed = Сейчас
