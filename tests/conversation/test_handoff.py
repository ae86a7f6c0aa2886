from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversation.dialogues import (
    BLIND,
    HELDOUT,
    INDEPENDENT,
    LANGUAGES,
    ROUNDS,
    Dialogue,
    caller_and_agent,
    dialogues,
    utterance,
    with_stress,
)
from voicepipe.conversation import handoff, load_books
from voicepipe.conversation.note import LETTERS_PER_CHARACTER, MAX_CHARACTERS, MAX_WORDS, Handoff
from voicepipe.conversation.wording import Quote, count_words
from voicepipe.types import Channel, ScoredUtterance

ALL = [d for language in LANGUAGES for folder in ROUNDS for d in dialogues(language, folder)]
BY_OTHERS = [
    d for language in LANGUAGES for folder in (BLIND, HELDOUT, INDEPENDENT) for d in dialogues(language, folder)
]
A, C = Channel.AGENT, Channel.CALLER


def _quotes(found: Handoff) -> list[Quote]:
    question = [found.question] if found.question else []
    return [*found.wants, *found.tried, *found.promises, *found.amounts, *question, *found.last_turns]


def _part(found: Handoff, part: str) -> list[str]:
    value = getattr(found, part)
    return [quote.text for quote in (value if isinstance(value, tuple) else [value] if value else [])]


def _check(found: Handoff, utterances: tuple[ScoredUtterance, ...]) -> None:
    texts = {(u.channel, u.index): u.transcript.text for u in utterances if u.transcript}
    for quote in _quotes(found):
        assert quote.text
        assert quote.text in texts[quote.channel, quote.index]
    for language in ("en", "ru", "zh"):
        text = found.to_text(language)
        if found.language == "zh":
            assert count_words(text) <= MAX_CHARACTERS
        else:
            assert count_words(text) <= MAX_WORDS
            assert len(text.split()) <= MAX_WORDS


def test_a_quote_in_hindi_ends_with_a_word() -> None:
    complaint = "मेरा बिल गलत है और मुझसे दो बार पैसे लिए गए हैं कृपया मेरे पैसे आज ही वापस करें"
    found = handoff(caller_and_agent("agent: नमस्ते", f"caller: {complaint}", "agent: ठीक है", language="hi"))
    (cut,) = (quote for quote in found.last_turns if quote.cut_after)
    assert cut.text == " ".join(complaint.split()[:10])


def test_a_note_in_thai_has_room_for_letters() -> None:
    text = "ผมอยากสอบถามเรื่องบิลค่าโทรศัพท์เดือนนี้ครับ" * 2
    lines = [f"{side}: {text} {k}" for k in range(3) for side in ("caller", "agent")]
    found = handoff(caller_and_agent(*lines, language="th"))
    assert found.wants[0].text == f"{text} 0"
    assert MAX_CHARACTERS < count_words(found.to_text()) <= MAX_CHARACTERS * LETTERS_PER_CHARACTER


def test_no_dialogue_is_lost() -> None:
    for language in LANGUAGES:
        assert [len(list(dialogues(language, folder))) for folder in ROUNDS] == [8, 6, 4, 3]


@pytest.mark.parametrize("dialogue", ALL, ids=lambda d: d.name)
def test_the_handoff_says_what_was_said(dialogue: Dialogue) -> None:
    found = handoff(dialogue.utterances)
    _check(found, dialogue.utterances)
    missing = [
        (part, words)
        for part, words in dialogue.expected
        if (_part(found, part) if words == "-" else not any(words in text for text in _part(found, part)))
    ]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("folder", "floor"),
    [
        (BLIND, {"wants": 1.0, "tried": 0.9, "promises": 1.0}),
        (INDEPENDENT, {"wants": 0.75, "tried": 0.75, "promises": 0.75}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_others_labelled_is_found(language: str, folder: Path, floor: dict[str, float]) -> None:
    spoken = list(dialogues(language, folder))
    for part, least in floor.items():
        held = [
            any(words in text for text in _part(handoff(d.utterances), part))
            for d in spoken
            for labelled, words in d.expected
            if labelled == part
        ]
        assert len(held) >= len(spoken)
        assert sum(held) >= least * len(held), part


@pytest.mark.parametrize("dialogue", BY_OTHERS, ids=lambda d: d.name)
def test_every_piece_is_a_quote_and_the_length_holds_in_the_dialogues_of_others(dialogue: Dialogue) -> None:
    assert len(dialogue.utterances) >= 12
    for heard in dialogue.utterances[2::3]:
        _check(handoff(dialogue.utterances, at_s=heard.decided_s), dialogue.utterances)


@pytest.mark.parametrize(
    ("language", "lines", "why", "ask"),
    [
        (
            "en",
            (
                "caller: so the dryer you delivered squeaks like mad",
                "agent: I see.",
                "caller: okay just swap it for a new one",
            ),
            "squeaks",
            "swap it",
        ),
        (
            "ru",
            ("caller: алло у нас в подъезде света нет", "agent: Так.", "caller: почините уже проводку сколько можно"),
            "света нет",
            "почините",
        ),
        (
            "zh",
            ("caller: 我买的冰箱突然不制冷了", "agent: 嗯。", "caller: 你们赶紧给我换一台新的吧"),
            "不制冷",
            "给我换",
        ),
    ],
)
def test_it_wants_the_why_and_what_is_asked_later(language: str, lines: tuple[str, ...], why: str, ask: str) -> None:
    wants = _part(handoff(caller_and_agent(*lines, language=language)), "wants")
    assert len(wants) == 2
    assert why in wants[0]
    assert ask in wants[1]


def test_a_centres_own_phrases_are_read(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text(
        '[[promise]]\nname = "house_word"\nphrases = ["code blue it is"]\n', encoding="utf-8"
    )
    utterances = caller_and_agent("caller: my badge does not open the door", "agent: Code blue it is.")
    assert handoff(utterances).promises == ()
    assert _part(handoff(utterances, books=load_books(tmp_path)), "promises") == ["Code blue it is."]


def test_labels_of_another_language_keep_the_length() -> None:
    line = "caller: my line is dead and I want you to repair the cable in the cellar before my guests come tonight"
    found = handoff(caller_and_agent(*[line, "agent: We will repair it by Friday and call you back."] * 8))
    for language in ("en", "ru", "zh"):
        assert 0 < count_words(found.to_text(language)) <= MAX_WORDS


@pytest.mark.parametrize("dialogue", ALL, ids=lambda d: d.name)
def test_at_any_moment_it_quotes_only_what_was_decided_by_then(dialogue: Dialogue) -> None:
    for heard in dialogue.utterances:
        found = handoff(dialogue.utterances, at_s=heard.decided_s)
        _check(found, dialogue.utterances)
        decided = {(u.channel, u.index) for u in dialogue.utterances if u.decided_s <= heard.decided_s}
        assert {(quote.channel, quote.index) for quote in _quotes(found)} <= decided
        assert found == handoff([u for u in dialogue.utterances if u.decided_s <= heard.decided_s])


@pytest.mark.parametrize("dialogue", ALL, ids=lambda d: d.name)
def test_what_the_caller_wants_stands_after_the_first_forty_seconds(dialogue: Dialogue) -> None:
    found = handoff(dialogue.utterances, at_s=40.0)
    assert found.wants
    assert all(quote.channel is C for quote in found.wants)


@pytest.mark.parametrize(
    ("language", "lines", "opening", "end"),
    [
        (
            "en",
            (
                "caller: Hello, my parcel has not come and I want to know where it has been since last Tuesday.",
                "agent: Thank you for waiting, I have looked and it was in our depot on the other side of town today.",
            ),
            "Caller: “Hello, my parcel has not come and I want to…”",
            "Agent: “Thank you for waiting, I have looked and it was…”",
        ),
        (
            "ru",
            ("caller: Здравствуйте, посылка так и не пришла, и я хочу знать, где она лежит с прошлого вторника.",),
            "Клиент: “Здравствуйте, посылка так и не пришла, и я хочу знать…”",
            "",
        ),
        (
            "zh",
            ("caller: 你好我的包裹一直没有到我想知道它从上个星期二开始到底在哪里呢。",),
            "客户: “你好我的包裹一直没有到我想知…”",
            "",
        ),
    ],
)
def test_a_turn_that_was_cut_says_so(language: str, lines: tuple[str, ...], opening: str, end: str) -> None:
    utterances = caller_and_agent(*lines, language=language)
    found = handoff(utterances)
    _check(found, utterances)
    last = found.to_text().splitlines()[-1]
    assert opening in last
    assert end in last


def test_words_that_were_left_out_before_a_quote_are_marked_too() -> None:
    story = "and so on and so forth as I have been telling each of your colleagues since the first week of the year, "
    utterances = caller_and_agent(f"caller: Well, {story}, {story} I want a refund for the broken boiler.")
    found = handoff(utterances)
    wanted = found.to_text().splitlines()[0]
    assert "“…" in wanted
    assert wanted.endswith("broken boiler”")


def test_a_whole_sentence_has_no_ellipsis() -> None:
    found = handoff(caller_and_agent("caller: My boiler is broken.", "agent: I will send somebody by Friday."))
    assert "…" not in found.to_text()


def test_nothing_said_gives_nothing() -> None:
    found = handoff([])
    assert _quotes(found) == []
    assert found.to_text() == ""
    assert handoff([utterance(C, 0, 0.0, 3.0)]).language is None


def test_the_mood_is_the_trend_of_the_callers_stress() -> None:
    utterances = with_stress(
        caller_and_agent(*["caller: it is broken", "agent: I see"] * 4), {0: 0.1, 1: 0.3, 2: 0.6, 3: 0.8}
    )
    found = handoff(utterances)
    assert found.mood is not None
    assert found.mood.direction == "rising"
    assert "rising" in found.to_text()
    assert "растёт" in found.to_text("ru")


def test_one_mixed_track_is_quoted_too() -> None:
    mixed = tuple(
        utterance(Channel.MIXED, k, 5.0 * k, 5.0 * k + 4.0, text)
        for k, text in enumerate(
            ["Hello, how can I help?", "My invoice is wrong, I want to dispute it.", "I will send a new one by Friday."]
        )
    )
    found = handoff(mixed)
    _check(found, mixed)
    assert any("dispute" in quote.text for quote in found.wants)


def test_a_language_without_cues_still_quotes_the_opening_and_the_end() -> None:
    lines = (
        "agent: Guten Tag, Stadtwerke.",
        "caller: Guten Tag, meine Heizung ist seit gestern Abend kalt und ich habe ein Baby.",
        "agent: Ach je.",
        "caller: Wann kommt jemand?",
    )
    utterances = caller_and_agent(*lines, language="de")
    found = handoff(utterances)
    _check(found, utterances)
    assert any("Heizung" in quote.text for quote in found.wants)
    assert found.question is not None
    assert found.question.text == "Wann kommt jemand?"


_TEXT = st.text(alphabet="abc want my 电话我想退款 хочу .,?!$5 [name]'“”", max_size=160)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["caller", "agent"]), _TEXT), max_size=12), st.sampled_from(LANGUAGES))
def test_whatever_was_said_every_piece_is_a_quote_and_the_length_holds(
    lines: list[tuple[str, str]], language: str
) -> None:
    utterances = caller_and_agent(*[f"{side}: {text}" for side, text in lines], language=language)
    _check(handoff(utterances), utterances)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_call_stays_short(language: str) -> None:
    lines = [
        f"{u.channel.value}: {u.transcript.text}" for d in dialogues(language) for u in d.utterances if u.transcript
    ]
    utterances = caller_and_agent(*[line + " " + line.split(": ", 1)[1] for line in lines * 3], language=language)
    _check(handoff(utterances), utterances)
