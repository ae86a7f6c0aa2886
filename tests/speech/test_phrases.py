import time
from pathlib import Path

import pytest

from voicepipe.speech.phrases import PhraseBook, load_phrases
from voicepipe.speech.tokens import Tokenizer
from voicepipe.types import ConfigError

SECTIONS = {"request": {"kind": str}}
HEAD = 'language = "en"\nscript = "latin"\n'


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def book(tmp_path: Path, *phrases: str, words: str = "", head: str = HEAD) -> PhraseBook:
    listed = ", ".join(f"'''{phrase}'''" for phrase in phrases)
    content = f'{head}[words]\n{words}\n[[request]]\nname = "r"\nkind = "human"\nphrases = [{listed}]\n'
    return load_phrases(write(tmp_path / "rules.toml", content), sections=SECTIONS)


def quotes(book: PhraseBook, text: str) -> list[str]:
    heard = book.tokenizer(text)
    return [heard.quote(*span) for _, spans in book.find("request", heard) for span in spans]


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("give me", "Please GIVE me one", ["GIVE me"]),
        ("give me", "give, me", []),
        ("give me", "forgive me, give men", []),
        ("give , me", "Give — me!", ["Give — me"]),
        ("(give|get me) up", "give up, get me up", ["give up", "get me up"]),
        ("[please] go", "please go. Go", ["please go", "go", "Go"]),
        ("оператор*", "Позовите ОПЕРАТОРА, оператор!", ["ОПЕРАТОРА", "оператор"]),
        ("еще", "Ещё раз", ["Ещё"]),
        ("кто-нибудь живой", "есть кто нибудь живой", ["кто нибудь живой"]),
        ("want {2} agent", "want an agent", ["want an agent"]),
        ("want {2} agent", "want a very good agent", []),
        ("want {2} agent", "want it, agent", []),
        ("want {2,} agent", "want it, agent", ["want it, agent"]),
        ("want {2,} agent", "want it. Agent", []),
        ("want {1-2} agent", "want agent", []),
        ("[very|really]3 bad", "very really very bad", ["very really very bad", "really very bad", "very bad", "bad"]),
        ("^ agent $", "Well. Agent! Now", ["Agent"]),
        ("^ agent $", "my agent", []),
        ("agent !(name|number)", "agent name, agent", ["agent"]),
        ("转人工", "请幫我轉人工，謝謝", ["轉人工"]),
        ("我 {2} 人工", "我要转人工", ["我要转人工"]),
        ("don't go", "dont go, don’t go", ["dont go", "don’t go"]),
    ],
)
def test_notation(tmp_path: Path, phrase: str, text: str, found: list[str]) -> None:
    assert quotes(book(tmp_path, phrase), text) == found


def test_lists_nest_and_rules_carry_their_settings(tmp_path: Path) -> None:
    rules = book(tmp_path, "give me <person>", words='adj = ["real", "live"]\nperson = ["[<adj>] (person|agent)"]')
    assert quotes(rules, "Give me a live agent, give me live agent") == ["give me live agent"]
    assert rules.rules["request"][0].settings == {"kind": "human"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('language = "en"', "script is missing"),
        (HEAD + "colour = 3", "unknown key colour"),
        ('language = "en"\nscript = "runes"', "script runes is none of"),
        (HEAD + "[request]\nname = 3", "write it as"),
        (HEAD + '[[request]]\nkind = "human"\nphrases = ["a"]', "request 1: name"),
        (HEAD + '[[request]]\nname = "r"\nphrases = ["a"]', r"\(r\): kind is missing"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = "a"', "a list of texts"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["a"]\nsize = 1', "unknown key size"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["<who>"]', "rule r: there is no list who"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["(a"]', "is never closed"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["a)"]', "closes nothing"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["(a]"]', "closes nothing"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["a|b"]', "outside of brackets"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["{99} a"]', "cannot read"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["a {3-1} b"]', "a gap spans"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["[a] {2}"]', "fits a text without words"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\nphrases = ["?!"]', "is no word"),
        (HEAD + '[words]\na = ["<a> b"]\n[[request]]\nname = "r"\nkind = "h"\nphrases = ["<a>"]', "contains itself"),
        (HEAD + 'fillers = ["uh"]\n[[request]]\nname = "r"\nkind = "h"\nphrases = ["uh no"]', "never occurs"),
        (HEAD + '[rewrites]\n"going to" = 3', "rewrites: going to: a text is expected"),
        (HEAD + "language = ", "cannot be read"),
    ],
)
def test_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, complaint: str) -> None:
    path = write(tmp_path / "bad.toml", content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_phrases(path, sections=SECTIONS)
    assert "bad.toml" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_phrases(tmp_path / "none.toml", sections=SECTIONS)


def test_second_file_adds_replaces_and_switches_off(tmp_path: Path) -> None:
    ours = write(
        tmp_path / "ours.toml",
        HEAD
        + '[words]\nwho = ["agent"]\n'
        + '[[request]]\nname = "one"\nkind = "human"\nphrases = ["get <who>"]\n'
        + '[[request]]\nname = "two"\nkind = "human"\nphrases = ["two"]\n'
        + '[[request]]\nname = "three"\nkind = "human"\nphrases = ["three"]\n',
    )
    own = write(
        tmp_path / "own.toml",
        '[words]\nwho = ["concierge"]\n'
        '[[request]]\nname = "two"\nkind = "supervisor"\nphrases = ["zwei"]\n'
        '[[request]]\nname = "three"\nphrases = []\n',
    )
    merged = load_phrases(ours, own, sections=SECTIONS)
    rules = {rule.name: rule for rule in merged.rules["request"]}
    assert list(rules) == ["one", "two"]
    found = {
        said: [rule.name for rule, _ in merged.find("request", merged.tokenizer(said))]
        for said in ("get concierge", "zwei", "two")
    }
    assert found == {"get concierge": ["one"], "zwei": ["two"], "two": []}
    assert rules["two"].settings["kind"] == "supervisor"


def test_optional_setting(tmp_path: Path) -> None:
    path = write(tmp_path / "rules.toml", HEAD + '[[request]]\nname = "r"\nphrases = ["a"]\n')
    loaded = load_phrases(path, sections={"request": {"kind": (str, type(None))}})
    assert loaded.rules["request"][0].settings == {}


@pytest.mark.parametrize("text", ["want a " * 20_000, "want " * 20_000, "a, " * 20_000, "要人" * 20_000])
def test_time_grows_with_the_length_alone(tmp_path: Path, text: str) -> None:
    rules = book(
        tmp_path,
        "(want|a|要) [a|want|the|人]4 {8,} [want|a]4 {8} nothing",
        words='x = ["a"]',
    )

    def cost_s(heard: str) -> float:
        began_s = time.process_time()
        assert quotes(rules, heard) == []
        return time.process_time() - began_s

    tenth_s = max(cost_s(text[: len(text) // 10]), 0.01)
    assert cost_s(text) < 30 * tenth_s


def test_spans_of_long_texts_quote_the_original() -> None:
    text = Tokenizer()("I, I WANT ﬁve £ agents")
    assert text.original[slice(*text.span(text.starts[-3], len(text.text)))] == "ﬁve £ agents"
