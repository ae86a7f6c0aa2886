# Страница звонка.
call-title = Звонок { $call }
call-state = Состояние
call-live = Идёт
call-ended = Завершён
call-started = Начало
call-length = Длительность
call-queue = Очередь
call-agent = Оператор
call-language = Язык
call-coverage = Обработано
call-coverage-label = Полностью обработано { $percent } речи
call-consent = Согласие
call-basis-explicit = Дано клиентом
call-basis-notice = Клиента предупредили, он продолжил разговор
call-basis-contract = Нужно для исполнения договора
call-basis-legitimate-interest = Законный интерес
call-basis-operator-setting = По настройке компании: о согласии ничего не сказано
call-basis-none = Клиент отказался
call-basis-withdrawn = Отозвано
call-basis-unrecognised = Запись о согласии не распознана

call-told-refused = Клиент не согласился на такой анализ: голос не оценивается.
call-told-withdrawn = Клиент отозвал согласие: голос больше не оценивается, а то, что велят удалить настройки, удалено.
call-told-unrecognised = Запись о согласии не распознана, поэтому голос не оценивается.
call-told-nothing = Из сказанного в этом звонке ничего не хранится.
call-told-unscored = Голос в этом звонке не оценён: это было запрещено или невозможно либо срок хранения оценок истёк.
call-told-wordless = Расшифровки этого звонка нет: её не делали или срок её хранения истёк.
call-told-mixed = Клиент и оператор записаны на одной дорожке: показанный стресс может относиться к любому из них, а очерёдность реплик не измерить.

call-timeline = Ход разговора
call-timeline-hint = Наведите указатель на график, чтобы прочитать значение; щёлкните, чтобы перейти к словам; выделите участок, чтобы увеличить его; двойной щелчок вернёт весь разговор.
call-timeline-text = Стресс клиента по ходу разговора и время, когда говорили клиент и оператор. То же словами есть в расшифровке.
call-timeline-empty = Показывать нечего.
call-read-caller = { $time } · клиент · { $level }, { $percent }
call-read-silent = { $time }
call-read-agent = { $time } · говорит оператор
call-episodes = Эпизоды устойчивого стресса
call-episode = Эпизод с { $from } до { $to }
call-episode-open = Эпизод с { $from }, продолжается
call-episode-end = Эпизод с { $from } до конца
call-episode-peak = пик { $percent }
call-no-episodes = Эпизодов устойчивого стресса нет.
call-new-episode = Начался новый эпизод.
call-in-episode = в эпизоде
call-reason-stress-persisted = устойчивый стресс
call-reason-human-requested = просит соединить с человеком

call-transcript = Расшифровка
call-follow = Следить за звонком
call-earlier = Более ранние
call-later = Более поздние
call-transcript-waiting = Пока никто ничего не сказал.
call-transcript-empty = Из сказанного ничего не хранится.
call-no-words = слов нет
call-line-at = Сказано в { $time }
call-mark-card = номер карты
call-mark-iban = IBAN
call-mark-account = номер счёта
call-mark-phone = номер телефона
call-mark-email = адрес эл. почты
call-mark-id = номер документа
call-mark-code = код
call-mark-date-of-birth = дата рождения
call-mark-address = адрес
call-mark-name = имя
call-mark-number = номер

call-alerts = Сигналы по этому звонку
call-story = Звонок вкратце
call-handoff = Передача
call-handoff-copy = Скопировать для старшего оператора
call-handoff-made = Дословные цитаты из расшифровки, без пересказа.
call-handoff-empty = Передавать пока нечего.
call-handoff-waiting = Заполняется по ходу разговора.
call-wants = Чего хочет
call-tried = Что уже пробовали
call-promised = Что обещали
call-amounts = Названные суммы
call-question = Вопрос без ответа
call-mood = Стресс
call-mood-rising = Растёт: с { $before } до { $now }
call-mood-falling = Спадает: с { $before } до { $now }
call-mood-steady = Ровный: сначала { $before }, сейчас { $now }
call-last-turns = Последние реплики

call-measures = Разговор
call-talk = Доля речи
call-talk-value = оператор { $agent }, клиент { $caller }
call-silences = Паузы дольше 3 с
call-silences-value = { $count ->
    [one] { $count } пауза, всего { $total }; самая долгая { $longest }
    [few] { $count } паузы, всего { $total }; самая долгая { $longest }
   *[many] { $count } пауз, всего { $total }; самая долгая { $longest }
}
call-silences-none = нет
call-interruptions = Перебивания
call-interruptions-value = оператор { $agent }, клиент { $caller }
call-latency = Оператор отвечает через
call-latency-value = { $median } с (медиана), каждый десятый ответ дольше { $p90 } с
call-trend = Стресс от первой трети к последней

call-warmth = Доброжелательность оператора
call-warmth-overall = { $points } из 100
call-warmth-words = Только по словам и очерёдности реплик, никогда по голосу.
call-warmth-unknown = не требовалось или не измерить
call-warmth-greeting = Приветствие
call-warmth-name-use = Обращение по имени
call-warmth-empathy = Сочувствие
call-warmth-acknowledgement = Внимание к словам клиента
call-warmth-patience = Терпение
call-warmth-ownership = Готовность взяться за дело
call-warmth-closing = Завершение

call-keys = Страница звонка
call-key-episode = К следующему эпизоду
call-key-move = К следующей или предыдущей реплике
call-key-copy = Скопировать передачу
call-key-follow = Следить за звонком или перестать
