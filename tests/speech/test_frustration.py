import hashlib
import shutil
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.speech.frustration import WORDS_MIN_PROB, FrustrationModel
from voicepipe.speech.frustration_cues import CUES, FEATURES, LANGUAGES, CueReader
from voicepipe.types import ConfigError, Frustration, ModelError

ROOT = Path(__file__).resolve().parents[2]
MODEL_DIR = ROOT / "models" / "frustration-1"
DATA = ROOT / "scripts" / "data" / "frustration"
LOUD = {
    "en": "This is the third time I call about this, I already told you, nobody helps me, it is ridiculous!",
    "ru": "Я вам уже третий раз объясняю, это безобразие, никто не отвечает, буду жаловаться!",
    "zh": "我已经跟你们说过三次了，到底有没有人管，太过分了，我要投诉你们！",
}
CALM = {
    "en": (
        "my card was declined",
        "No complaints at all, everything is fine.",
        "I'm not angry, I only want to understand it.",
    ),
    "ru": ("карта не прошла", "никаких претензий, всё хорошо", "я не злюсь, просто хочу понять"),
    "zh": ("我的卡刷不了", "没什么不满意的，挺好的", "我没有生气，就是想弄明白"),
}


@pytest.fixture(scope="module")
def model() -> FrustrationModel:
    return FrustrationModel.load(MODEL_DIR)


def prob(model: FrustrationModel, text: str, language: str | None = "en") -> float:
    score = model.score(text, language=language)
    assert score is not None
    return score.prob


@pytest.mark.parametrize("language", LANGUAGES)
def test_tells_frustrated_from_calm(model: FrustrationModel, language: str) -> None:
    assert prob(model, LOUD[language], language) > 0.9
    for text in CALM[language]:
        assert prob(model, text, language) < 0.5, text


@pytest.mark.parametrize(
    "text",
    [
        "cancel my appointment for Tuesday please",
        "it is the first time I am calling",
        "My friend was furious with his old provider.",
        "third time lucky, let me read you the number again",
        "thank you so much, that was quick",
        "I have not been waiting long",
        "the rate is four point two percent",
    ],
)
def test_near_misses_stay_below_one_half(model: FrustrationModel, text: str) -> None:
    assert prob(model, text) < 0.5


def test_case_and_punctuation_hardly_matter(model: FrustrationModel) -> None:
    bare = LOUD["en"].lower().replace(",", "").replace("!", "")
    assert abs(prob(model, bare) - prob(model, LOUD["en"])) < 0.1


def test_masked_profanity_counts(model: FrustrationModel) -> None:
    assert prob(model, "what the f*** is this") > prob(model, "what the case is this")
    reading = CueReader("en").read("this f**king thing")
    assert reading is not None
    assert [cue.category for cue in reading.cues] == ["profanity"]


def test_names_the_words_that_count(model: FrustrationModel) -> None:
    score = model.score("Well, as I said, my parcel is not here.", language="en")
    assert score is not None
    assert any("as I said" in words for words in score.words)
    assert score.model_id == "frustration-1"


def test_words_come_from_the_text(model: FrustrationModel) -> None:
    for language, text in LOUD.items():
        score = model.score(text, language=language)
        assert score is not None
        assert score.words
        assert all(words in text for words in score.words)


def test_calm_talk_names_no_words(model: FrustrationModel) -> None:
    score = model.score("could you tell me the opening hours please", language="en")
    assert score is not None
    assert score.prob < WORDS_MIN_PROB
    assert score.words == ()


@pytest.mark.parametrize("text", ["", "   ", "...", "[card]", "[Card] 1234, [phone]", "42"])
def test_text_without_words_has_no_score(model: FrustrationModel, text: str) -> None:
    assert model.score(text, language="en") is None
    assert model.score(text, language=None) is None


def test_unknown_languages_have_no_score(model: FrustrationModel) -> None:
    assert model.score("c'est la troisième fois", language="fr") is None
    assert model.score("한국어", language=None) is None
    assert model.score("한국어", language="ko") is None


def test_region_of_a_language_tag_is_ignored(model: FrustrationModel) -> None:
    assert model.score(LOUD["zh"], language="zh-CN") == model.score(LOUD["zh"], language="zh")
    assert model.score(LOUD["ru"], language=None) == model.score(LOUD["ru"], language="ru")


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(max_size=80))
def test_any_text_is_read(model: FrustrationModel, language: str, text: str) -> None:
    score = model.score(text, language=language)
    assert score is None or (isinstance(score, Frustration) and 0.0 < score.prob < 1.0)


def test_very_long_and_mixed_texts(model: FrustrationModel) -> None:
    assert 0.0 < prob(model, "and then I pressed two " * 400) < 1.0
    assert prob(model, "我等了三个小时 nobody answers 太过分了", "zh") > 0.5


def test_marks_carry_no_meaning(model: FrustrationModel) -> None:
    assert abs(prob(model, "it is on the letter") - prob(model, "it is [id] on the letter")) < 0.2


def test_a_centre_adds_phrases(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[cue]]\nname = "ours"\ncategory = "outrage"\nphrases = ["purple monkey"]\n', encoding="utf-8")
    text = "this is a purple monkey"
    plain, with_own = (FrustrationModel.load(MODEL_DIR, phrases=phrases) for phrases in (None, {"en": [own]}))
    assert prob(with_own, text) > prob(plain, text) + 0.2


def test_refuses_phrases_of_an_unknown_category(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[cue]]\nname = "ours"\ncategory = "silly"\nphrases = ["purple"]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="silly"):
        FrustrationModel.load(MODEL_DIR, phrases={"en": [own]})


def test_refuses_missing_and_damaged_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        FrustrationModel.load(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(MODEL_DIR, copy)
    (copy / "weights.npz").write_bytes((copy / "weights.npz").read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"weights\.npz"):
        FrustrationModel.load(copy)
    (copy / "manifest.toml").write_text("format = 99", encoding="utf-8")
    with pytest.raises(ModelError, match="format 99"):
        FrustrationModel.load(copy)


def test_the_model_was_trained_with_the_files_that_are_here() -> None:
    trained_with = tomllib.loads((MODEL_DIR / "manifest.toml").read_text(encoding="utf-8"))["trained_with"]
    for language in LANGUAGES:
        rules = (files("voicepipe.speech") / "frustration_rules" / f"{language}.toml").read_bytes()
        sentences = (DATA / f"train.{language}.tsv").read_bytes()
        assert trained_with[f"{language}.toml"] == hashlib.sha256(rules).hexdigest(), f"train again: {language}.toml"
        assert trained_with[f"train.{language}.tsv"] == hashlib.sha256(sentences).hexdigest()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cue_speaks_for_frustration(language: str) -> None:
    reader = CueReader(language)
    assert {rule.settings["category"] for rule in reader.book.rules["cue"]} == set(CUES)
    assert len(set(FEATURES)) == len(FEATURES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_sentences_are_none_of_the_training_sentences(language: str) -> None:
    seen, unseen = (
        {
            line.split("\t")[2].lower()
            for line in (DATA / f"{name}.{language}.tsv").read_text(encoding="utf-8").splitlines()[1:]
        }
        for name in ("train", "heldout")
    )
    assert len(seen) >= 500
    assert len(unseen) >= 150
    assert not seen & unseen


@pytest.mark.parametrize("language", LANGUAGES)
def test_quality_on_held_out_sentences(model: FrustrationModel, language: str) -> None:
    lines = (DATA / f"heldout.{language}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    probs = {
        kind: [prob(model, text, language) for _, label, text in rows if (label in ("neutral", "near")) == kind]
        for kind in (True, False)
    }
    pairs = [(calm < loud) + 0.5 * (calm == loud) for calm in probs[True] for loud in probs[False]]
    assert sum(pairs) / len(pairs) >= 0.95
