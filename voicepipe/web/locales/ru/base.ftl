# Рамка каждой страницы и то, что у страниц общее.
product = voicepipe
title = { $page } · voicepipe
skip-to-main = Перейти к содержанию

nav-label = Основное меню
nav-live = Сейчас
nav-alerts = Сигналы
nav-history = История
nav-quality = Качество
nav-audit = Журнал

connection-on = На связи
connection-off = Переподключение
connection-none = Нет связи
offline-text = Нет связи с сервером. На экране данные на { $time }; обновление возобновится само, как только сервер ответит.
signed-out-title = Вы вышли из системы
signed-out-text = Войдите снова, чтобы продолжить. Введённый, но не отправленный текст не сохранился.
sign-in = Войти
sign-out = Выйти
request-failed = Не получилось. Попробуйте ещё раз.
request-refused = У вас нет права на это действие.

menu-settings = Настройки
settings-language = Язык
settings-theme = Оформление
theme-auto = Как на устройстве
theme-light = Светлое
theme-dark = Тёмное
settings-keys = Управление одной клавишей
settings-save = Сохранить
role-viewer = Наблюдатель
role-supervisor = Супервизор
role-qa = Контроль качества
role-admin = Администратор

help-title = Горячие клавиши
help-open = Горячие клавиши
help-close = Закрыть
help-group-everywhere = Везде
help-key-help = Показать эту справку
help-key-live = Перейти к текущим звонкам
help-key-alerts = Перейти к сигналам
help-key-history = Перейти к истории
help-key-quality = Перейти к качеству
help-key-search = Поиск
help-key-escape = Закрыть открытое
help-then = затем
help-or = или

level-calm = Спокойно
level-raised = Повышен
level-high = Высокий
level-unknown = Без оценки

channel-caller = Клиент
channel-agent = Оператор
channel-mixed = Клиент или оператор

time-now = только что
utc-time = { $time } UTC

duration-seconds = { $seconds } с
duration-minutes = { $minutes } мин { $seconds } с
duration-hours = { $hours } ч { $minutes } мин
number = { $value }
list-middle = { $left }, { $right }
list-last = { $left } и { $right }
none-value = –
none-label = неизвестно

copy = Копировать
copied = Скопировано
copy-failed = Браузер не разрешает странице копировать. Выделите текст и скопируйте его сами.
filter-label = Фильтр
filter-apply = Показать
filter-clear = Сбросить фильтр
filter-all = Все
search = Поиск
pager-label = Страницы
pager-newer = Новее
pager-older = Старше
loading = Загрузка
close = Закрыть
cancel = Отмена
language-en = английский
language-ru = русский
language-zh = китайский
