import shutil
from pathlib import Path

import pytest

from voicepipe.packaged import packaged
from voicepipe.speech.intent import MODEL_RULE, IntentConfig, IntentDetector, load_book
from voicepipe.speech.intent_model import Opinion, RequestModel
from voicepipe.speech.phrases import PhraseBook
from voicepipe.types import ModelError

MODEL_DIR = packaged("models") / "intent-1"


@pytest.fixture(scope="module")
def model() -> RequestModel:
    return RequestModel.load(MODEL_DIR)


@pytest.fixture(scope="module")
def english() -> PhraseBook:
    return load_book("en", with_concepts=True)


@pytest.fixture(scope="module")
def detector() -> IntentDetector:
    return IntentDetector.load()


def weigh(model: RequestModel, book: PhraseBook, text: str) -> Opinion | None:
    return model.weigh(book, book.tokenizer(text))


def test_knows_the_languages_of_the_rules(model: RequestModel, detector: IntentDetector) -> None:
    assert model.languages == detector.languages


def test_weighs_requests_above_near_misses(model: RequestModel, english: PhraseBook) -> None:
    request = weigh(model, english, "could you maybe find me a human to chat with")
    miss = weigh(model, english, "my colleague chatted with a human yesterday")
    assert request is not None
    assert miss is not None
    assert request.logit > request.sure_from > miss.logit
    assert not request.doubtful
    assert miss.doubtful


def test_has_no_opinion_where_nobody_is_named(model: RequestModel, english: PhraseBook) -> None:
    assert weigh(model, english, "the parcel came on Tuesday") is None
    assert weigh(model, english, "") is None


def test_span_is_the_words_that_speak_for_it(model: RequestModel, english: PhraseBook) -> None:
    heard = english.tokenizer("My parcel was blue. Get me a human, please. It rained.")
    opinion = model.weigh(english, heard)
    assert opinion is not None
    quote = heard.quote(*opinion.span(heard))
    assert "human" in quote
    assert "parcel" not in quote
    assert "rained" not in quote


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("Let me bend the ear of an adviser who does probate.", "en", "human"),
        ("нашёлся бы там юрист поговорить со мной", "ru", "human"),
        ("我想请你们懂理财的顾问跟我讲一讲", "zh", "human"),
    ],
)
def test_finds_what_no_rule_foresees(detector: IntentDetector, text: str, language: str, kind: str) -> None:
    assert IntentDetector.load(IntentConfig(rules_only=True)).detect(text, language=language) is None
    request = detector.detect(text, language=language)
    assert request is not None
    assert (request.rule, request.kind) == (MODEL_RULE, kind)
    assert request.quote in text


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            (
                "so the man came on friday and he took the panel off and he said it wants a new "
                "pump and that was that and "
                "nobody has rung since so could you put me through to a person please because the house is cold"
            ),
            "en",
        ),
        (
            (
                "в пятницу приходил мастер снял панель сказал нужен новый насос и всё и никто с тех "
                "пор не звонил так что "
                "соедините меня пожалуйста с оператором а то в доме холодно"
            ),
            "ru",
        ),
        (
            "周五师傅来把盖子拆了说要换个新泵就走了后来一直没有人联系我所以请你帮我转人工客服吧家里现在冷得很孩子都感冒了",
            "zh",
        ),
    ],
)
def test_finds_a_request_amid_talk(detector: IntentDetector, text: str, language: str) -> None:
    request = detector.detect(text, language=language)
    assert request is not None
    assert len(request.quote) < len(text) / 2


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (
            (
                "so the man came on friday and he took the panel off and he told me the manager "
                "would send the report and "
                "it has come and i only want to know where i sign it because there are two boxes on the last page"
            ),
            "en",
        ),
        (
            (
                "в пятницу приходил мастер снял панель и сказал что менеджер пришлёт отчёт отчёт "
                "пришёл и я только хочу "
                "узнать где его подписывать потому что на последней странице две графы"
            ),
            "ru",
        ),
    ],
)
def test_talk_of_persons_in_a_long_turn_is_no_request(detector: IntentDetector, text: str, language: str) -> None:
    assert detector.detect(text, language=language) is None


def test_takes_back_what_a_rule_says_where_it_is_certain(detector: IntentDetector) -> None:
    text = "Can you put me through to room 214?"
    assert IntentDetector.load(IntentConfig(rules_only=True)).detect(text, language="en") is not None
    assert detector.detect(text, language="en") is None


def test_own_rules_stand_whatever_the_model_says(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[request]]\nname = "thanked"\nkind = "human"\nphrases = ["thanked the manager yesterday"]\n')
    text = "my wife thanked the manager yesterday"
    detector = IntentDetector.load(IntentConfig(extra_rules={"en": own}))
    request = detector.detect(text, language="en")
    assert request is not None
    assert request.rule == "thanked"


def test_a_language_of_its_own_needs_no_weights(tmp_path: Path) -> None:
    own = tmp_path / "de.toml"
    own.write_text(
        'language = "de"\nscript = "latin"\n[[request]]\nname = "m"\nkind = "human"\nphrases = ["einen Menschen"]\n'
    )
    detector = IntentDetector.load(IntentConfig(extra_rules={"de": own}))
    assert detector.detect("Ich will einen Menschen", language="de") is not None
    assert detector.detect("Ich will einen Hund", language="de") is None


def test_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"manifest\.toml is missing"):
        RequestModel.load(tmp_path)
    copy = tmp_path / "intent-1"
    shutil.copytree(MODEL_DIR, copy)
    manifest = copy / "manifest.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("hash_bits = 16", "hash_bits = 15"))
    with pytest.raises(ModelError, match="for other pieces"):
        RequestModel.load(copy)
    manifest.write_text(text.replace("format = 1", "format = 9"))
    with pytest.raises(ModelError, match="has format 9"):
        RequestModel.load(copy)
    manifest.write_text(text.replace("[zh", "[xx"))
    with pytest.raises(ModelError, match="lacks 'zh'"):
        RequestModel.load(copy)
    manifest.write_text(text)
    (copy / "weights.npz").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"not the file that manifest\.toml names"):
        RequestModel.load(copy)
