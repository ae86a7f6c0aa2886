import subprocess
import sys
import time
from pathlib import Path

import pytest

from voicepipe.speech.intent import LANGUAGES, MAX_CHARACTERS, IntentConfig, IntentDetector
from voicepipe.speech.phrases import load_phrases
from voicepipe.types import ConfigError

ROOT = Path(__file__).resolve().parents[2]
HEAD = 'language = "en"\nscript = "latin"\n'


@pytest.fixture(scope="module")
def detector() -> IntentDetector:
    return IntentDetector.load()


@pytest.mark.parametrize(
    ("text", "kind", "quote"),
    [
        ("Well, I'd like to speak to a REAL person, thanks.", "human", "I'd like to speak to a REAL person"),
        ("I don't want the robot, give me a person.", "human", "give me a person"),
        ("i dont want the robot give me a person", "human", "give me a person"),
        ("Card [card], get me your manager", "supervisor", "get me your manager"),
        ("Give me a person, or let me talk to your supervisor", "supervisor", "let me talk to your supervisor"),
        ("How do I file a complaint?", "complaint", "file a complaint"),
        ("Мне нужен живой человек!", "human", "нужен живой человек"),
        ("с начальником соедините", "supervisor", "с начальником соедините"),
        ("嗯，請幫我轉人工", "human", "轉人工"),
        ("叫你们经理来", "supervisor", "叫你们经理"),
    ],
)
def test_request_names_kind_rule_and_words(detector: IntentDetector, text: str, kind: str, quote: str) -> None:
    request = detector.detect(text, language=None)
    assert request is not None
    assert request.kind == kind
    assert quote == request.quote
    assert request.quote in text
    assert request.rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "42",
        "[name]",
        "I don't need a manager.",
        "Your colleague said I should ask for a manager.",
        "I talked to your manager yesterday.",
        "My manager pays for this.",
        "What are the hours of the representatives?",
        "Мне не нужен оператор.",
        "Муж сказал позвать начальника.",
        "我不需要人工",
        "你们同事让我找经理",
        "ขอคุยกับเจ้าหน้าที่",
        "\ud800 agent's \x00",
    ],
)
def test_no_request(detector: IntentDetector, text: str) -> None:
    assert detector.detect(text, language=None) is None


@pytest.mark.parametrize("language", [None, "en", "ru", "de", "xx", ""])
def test_script_decides_where_the_language_does_not_fit(detector: IntentDetector, language: str | None) -> None:
    assert detector.detect("Оператора!", language=language) is not None
    assert detector.detect("Operator!", language=language) is not None


def test_same_answer_every_time(detector: IntentDetector) -> None:
    text = "Could I, um, talk to somebody? Or a manager?"
    assert len({detector.detect(text, language="en") for _ in range(3)}) == 1


def test_only_the_beginning_of_a_long_text_counts(detector: IntentDetector) -> None:
    assert detector.detect("so " * MAX_CHARACTERS + ". Agent!", language="en") is None


@pytest.mark.parametrize(
    "text",
    [
        "i want to " * 300,
        "not want to need to have to " * 100,
        "please, now, just, " * 150,
        "оператора мне пожалуйста сейчас " * 80,
        "не хочу не надо не нужно " * 100,
        "我要给我帮我" * 400,
        "a" * 3_000,
        ",.!" * 1_000,
    ],
)
def test_long_or_odd_text_takes_little_time(detector: IntentDetector, text: str) -> None:
    detector.detect(text, language=None)
    began_s = time.process_time()
    detector.detect(text, language=None)
    assert time.process_time() - began_s < 1.0


def test_own_rules_add_replace_and_stand_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(HEAD + '[[request]]\nname = "concierge"\nkind = "human"\nphrases = ["concierge"]\n')
    added = IntentDetector.load(IntentConfig(extra_rules={"en": own}))
    assert added.detect("the concierge", language="en") is not None
    assert added.detect("get me an agent", language="en") is not None
    alone = IntentDetector.load(IntentConfig(extra_rules={"en": own}, own_rules_only=("en",)))
    assert alone.detect("the concierge", language="en") is not None
    assert alone.detect("get me an agent", language="en") is None


def test_a_supervisor_is_told_before_a_person_wherever_the_rule_stands(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        HEAD
        + '[[request]]\nname = "porter"\nkind = "human"\nphrases = ["the porter"]\n'
        + '[[request]]\nname = "complain"\nkind = "complaint"\nphrases = ["the book"]\n'
        + '[[request]]\nname = "chief"\nkind = "supervisor"\nphrases = ["the chief"]\n'
        + '[[request]]\nname = "usher"\nkind = "human"\nphrases = ["the usher"]\n'
        + '[[veto]]\nname = "not"\nphrases = ["not the (chief|porter)"]\n'
    )
    book = load_phrases(own, sections={"request": {"kind": str}, "veto": {}})
    for own_rules in ({}, {"en": ["usher"]}):  # where rules are a centre's own, all requests are looked at
        detector = IntentDetector([book], own_rules=own_rules)
        for said, rule in (
            ("the porter and the chief", "chief"),
            ("the usher and the porter", "porter"),
            ("the porter and the book", "complain"),
            ("not the chief but the usher", "usher"),
            ("not the porter", None),
        ):
            request = detector.detect(said, language="en")
            assert (request and request.rule) == rule, said


def test_another_language_is_one_file(tmp_path: Path) -> None:
    own = tmp_path / "de.toml"
    own.write_text(
        'language = "de"\nscript = "latin"\n[[request]]\nname = "m"\nkind = "human"\nphrases = ["einen Menschen"]\n'
    )
    detector = IntentDetector.load(IntentConfig(extra_rules={"de": own}))
    assert detector.languages == ("en", "ru", "zh", "de")
    assert detector.detect("Geben Sie mir einen Menschen", language="de") is not None
    assert detector.detect("Geben Sie mir einen Menschen", language=None) is not None
    assert detector.detect("Geben Sie mir einen Menschen", language="en") is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (HEAD + '[[request]]\nname = "r"\nkind = "king"\nphrases = ["a"]\n', "kind king is none of"),
        (HEAD + '[[request]]\nname = "r"\nkind = "human"\ndespite = ["x"]\nphrases = ["a"]\n', "no veto x"),
        ('language = "ru"\nscript = "cyrillic"\n', "language is ru, but en is expected"),
    ],
)
def test_bad_own_rules(tmp_path: Path, content: str, complaint: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(content)
    with pytest.raises(ConfigError, match=complaint):
        IntentDetector.load(IntentConfig(extra_rules={"en": own}))


def test_own_rules_only_needs_a_file() -> None:
    with pytest.raises(ConfigError, match="ru is in own_rules_only"):
        IntentDetector.load(IntentConfig(own_rules_only=("ru",)))


def test_development_sentences_meet_the_targets() -> None:
    data = sorted((ROOT / "tests" / "speech" / "data").glob("intent_*_dev.tsv"))
    assert len(data) == 3
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "evaluate_intent.py", *data], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_learnt_from_held_out_sentences(language: str) -> None:
    data = ROOT / "tests" / "speech" / "data"
    spelled = {
        path.stem.rpartition("_")[2]: {
            "".join(filter(str.isalnum, line.split("\t")[2].casefold()))
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.count("\t") == 2
        }
        for path in data.glob(f"intent_{language}_*.tsv")
    }
    assert spelled.keys() == {"dev", "heldout", "independent", "unseen"}
    for held_out in ("heldout", "independent", "unseen"):
        assert not spelled["dev"] & spelled[held_out]


def test_evaluation_fails_where_a_target_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "intent_en_bad.tsv"
    path.write_text("human\tnonsense\tthe weather is fine\n")
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "evaluate_intent.py", path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "the weather is fine" in run.stdout
