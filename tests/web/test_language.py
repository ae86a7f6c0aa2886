import re
from html.parser import HTMLParser

import pytest
from jinja2 import Environment

from tests.web.messages import (
    SCRIPTS,
    TEMPLATES,
    WEB,
    all_uses,
    in_script,
    in_template,
    messages,
    strings_of_script,
    texts,
)
from voicepipe.web.language import LANGUAGES, Language, Languages, UnknownMessageError

CODES = tuple(LANGUAGES)

OTHER_ORDER = {"deviation-item", "deviation-group"}
"""Messages that put a sentence together: a language says a part in the one or in the other, so variables differ."""

SAME_EVERYWHERE = {"product", "title", "utc-time", "call-mark-iban", "call-read-silent"}
"""Messages that are names rather than words."""

LETTER = re.compile(r"[^\W\d_]")


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages.load()


class TestChoosing:
    def test_what_the_viewer_chose_comes_before_the_setting_and_the_browser(self, languages: Languages) -> None:
        assert languages.choose("zh", "ru", accept="en").code == "zh"
        assert languages.choose(None, "ru", accept="en").code == "ru"
        assert languages.choose(None, None, accept="zh-CN,zh;q=0.9").code == "zh"

    @pytest.mark.parametrize(
        ("accept", "code"),
        [
            ("", "en"),
            ("de,fr;q=0.5", "en"),
            ("de, ru-RU;q=0.8, en;q=0.9", "en"),
            ("de, ru-RU;q=0.9, en;q=0.8", "ru"),
            ("ru;q=0, zh;q=0.1", "zh"),
            ("ru;q=abc, zh", "zh"),
            ("ZH-hans", "zh"),
            ("*", "en"),
            (";;;,=,q", "en"),
        ],
    )
    def test_the_browsers_wishes_are_weighed(self, languages: Languages, accept: str, code: str) -> None:
        assert languages.choose(accept=accept).code == code

    def test_an_unknown_choice_counts_for_nothing(self, languages: Languages) -> None:
        assert languages.choose("xx", "", accept="ru").code == "ru"


class TestSaying:
    def test_a_whole_float_counts_as_a_whole_number(self, languages: Languages) -> None:
        assert languages["ru"].t("amount-st", amount=2.0) == "2 полутона"
        assert languages["ru"].t("amount-st", amount=5.0) == "5 полутонов"
        assert languages["ru"].t("amount-st", amount=5.5) == "5,5 полутона"

    def test_numbers(self, languages: Languages) -> None:
        en, ru, zh = (languages[code] for code in ("en", "ru", "zh"))
        assert [language.number(1234.5, 1) for language in (en, ru, zh)] == ["1,234.5", "1\xa0234,5", "1,234.5"]
        assert [language.percent(0.984) for language in (en, ru, zh)] == ["98%", "98\xa0%", "98%"]
        assert [language.percent(0.984, 1) for language in (en, ru, zh)] == ["98.4%", "98,4\xa0%", "98.4%"]
        assert en.number(-0.001, 1) == "0.0"
        assert en.number(2, 2) == "2.00"

    @pytest.mark.parametrize(
        ("seconds", "en", "zh"),
        [
            (0, "0 s", "0 秒"),
            (59.6, "1 min 0 s", "1 分 0 秒"),
            (125, "2 min 5 s", "2 分 5 秒"),
            (4321, "1 h 12 min", "1 小时 12 分"),
        ],
    )
    def test_durations(self, languages: Languages, seconds: float, en: str, zh: str) -> None:
        assert languages["en"].duration(seconds) == en
        assert languages["zh"].duration(seconds) == zh

    def test_a_clock_is_the_same_everywhere(self) -> None:
        assert [Language.clock(seconds) for seconds in (-1, 0, 59.9, 65, 3725)] == [
            "0:00",
            "0:00",
            "0:59",
            "1:05",
            "1:02:05",
        ]

    def test_lists(self, languages: Languages) -> None:
        assert languages["en"].listed([]) == ""
        assert languages["en"].listed(["a"]) == "a"
        assert languages["en"].listed(["a", "b", "c"]) == "a, b and c"
        assert languages["ru"].listed(["a", "b", "c"]) == "a, b и c"
        assert languages["zh"].listed(["a", "b", "c"]) == "a、b、c"

    def test_a_pattern_keeps_the_places_of_its_variables(self, languages: Languages) -> None:
        for language in languages:
            assert "{time}" in language.pattern("offline-text", "time")

    def test_text_stays_text(self, languages: Languages) -> None:
        assert languages["en"].t("with-quote", said="said", quote="<b>{ $x }") == "said: “<b>{ $x }”"

    def test_what_is_not_there_is_an_error(self, languages: Languages) -> None:
        with pytest.raises(UnknownMessageError, match="locales/ru"):
            languages["ru"].t("no-such-message")
        with pytest.raises(UnknownMessageError, match="title"):
            languages["ru"].t("title")

    def test_a_damaged_file_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no Fluent"):
            Language("en", ["a = b\n!!\n"])
        with pytest.raises(ValueError, match="'a' twice"):
            Language("en", ["a = b\n", "a = c\n"])


class TestCompleteness:
    @pytest.mark.parametrize("code", [code for code in CODES if code != "en"])
    def test_every_language_says_the_same_things(self, code: str) -> None:
        english, other = messages("en"), messages(code)
        assert sorted(set(english) ^ set(other)) == []
        for name in english.keys() - OTHER_ORDER:
            assert other[name].variables == english[name].variables, name

    @pytest.mark.parametrize("code", CODES)
    def test_files_are_the_same(self, code: str) -> None:
        assert {path.name for path in (WEB / "locales" / code).iterdir()} == {
            path.name for path in (WEB / "locales" / "en").iterdir()
        }

    @pytest.mark.parametrize(("code", "script"), [("ru", "[а-яёА-ЯЁ]"), ("zh", "[\u4e00-\u9fff]")])
    def test_nothing_is_left_in_english(self, code: str, script: str) -> None:
        left = {
            name: said for name, said in texts(code).items() if re.search("[A-Za-z]{3,}", said.replace("voicepipe", ""))
        }
        assert {name for name, said in left.items() if not re.search(script, said)} <= SAME_EVERYWHERE
        same = {name for name, said in texts(code).items() if LETTER.search(said) and said == texts("en")[name]}
        assert same - SAME_EVERYWHERE == set()

    def test_whatever_is_asked_for_exists(self) -> None:
        known = messages("en")
        ids = set(known) | {
            f"{name}.{attribute}" for name, message in known.items() for attribute in message.attributes
        }
        missing = {
            (use.where, use.pattern)
            for use in all_uses()
            if use.is_certain and not any(use.matches(message_id) for message_id in ids)
        }
        assert missing == set()

    def test_nothing_is_left_over(self) -> None:
        uses = all_uses()
        assert [name for name in messages("en") if not any(use.matches(name) for use in uses)] == []

    @pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
    def test_pages_carry_the_texts_of_their_scripts(self, path: object) -> None:
        given = [use for template in TEMPLATES for use in in_template(template)]
        carried = [name for name in messages("en") if any(use.matches(name) for use in given)]
        for use in in_script(path):  # type: ignore[arg-type]
            if use.is_certain:
                assert any(use.matches(name) for name in carried), use.pattern


class _Page(HTMLParser):
    """Collects what a person would see or hear of a page's own text."""

    SPOKEN = frozenset(
        {"title", "alt", "placeholder", "aria-label", "aria-description", "data-label", "label", "content"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        for name, value in attributes:
            if name in self.SPOKEN and value and LETTER.search(value) and not (tag == "meta" and "name" in values):
                self.texts.append(f"{name}={value}")
            self.names.append(name)

    def handle_data(self, data: str) -> None:
        if LETTER.search(data):
            self.texts.append(data.strip())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_text_of_its_own(path: object) -> None:
    tokens = Environment().lex(path.read_text("utf-8"))  # type: ignore[attr-defined]
    bare = "".join(value if kind == "data" else " " for _, kind, value in tokens if kind in ("data", "variable_begin"))
    page = _Page()
    page.feed(bare)
    page.close()
    assert page.texts == []
    assert not [name for name in page.names if name.startswith("on") or name == "style"]


KEY_NAMES = {"Escape", "Enter", "Tab", "Home", "End", "Space", "Backspace", "Delete"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_text_of_its_own(path: object) -> None:
    sentence = re.compile(r"[A-Z]?[a-z']+[,:]?( [A-Za-z']+[,.:!?]?)+|[A-Z][a-z]{2,}[.!?]?")
    for string in strings_of_script(path.read_text("utf-8")):  # type: ignore[attr-defined]
        plain = re.sub(r"\$\{[^}]*\}", "", string)
        if plain == "use strict" or plain in KEY_NAMES or plain.startswith(("no text", "Arrow", "Page")):
            continue
        assert plain.isascii() or not LETTER.search(re.sub(r"[\x00-\x7f]", "", plain)), string
        assert not sentence.fullmatch(plain.strip()), string
