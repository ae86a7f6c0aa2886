import pytest

from tests.conversation.dialogues import caller_and_agent, utterance, with_stress
from voicepipe.conversation import measure_conversation
from voicepipe.conversation.cues import find_cues
from voicepipe.conversation.turns import measure_turns
from voicepipe.conversation.warmth import ITEMS, Warmth, WarmthConfig, measure_warmth
from voicepipe.types import Channel, ScoredUtterance

A, C, M = Channel.AGENT, Channel.CALLER, Channel.MIXED

WARM = {
    "en": (
        "agent: Good morning, thank you for calling Northline, my name is Dana, how can I help you?",
        "caller: Hello, my name is Joanne. My order never arrived and nobody called me back.",
        "agent: I'm so sorry about that, Joanne, that must be really frustrating.",
        "caller: Yes it is.",
        "agent: I understand. So just to confirm, the order was due on Monday?",
        "caller: Yes.",
        "agent: I'll take care of it myself. You will receive it within two days.",
        "caller: Thank you.",
        "agent: Is there anything else I can help with? Have a lovely day, Joanne.",
    ),
    "ru": (
        "agent: Добрый день, меня зовут Ольга, чем могу помочь?",
        "caller: Здравствуйте, меня зовут Ирина. Заказ так и не приехал, и никто не перезвонил.",
        "agent: Ирина, приношу извинения, понимаю, насколько это неприятно.",
        "caller: Да уж.",
        "agent: Я вас понимаю. Правильно ли я поняла, что заказ ждали в понедельник?",
        "caller: Да.",
        "agent: Я лично прослежу за этим. Заказ привезут в течение двух дней.",
        "caller: Спасибо.",
        "agent: Остались ли у вас ещё вопросы? Всего доброго, Ирина!",
    ),
    "zh": (
        "agent: 您好,很高兴为您服务,请问有什么可以帮您?",
        "caller: 你好,我姓李。我的快递一直没到,也没人给我回电话。",
        "agent: 李女士,非常抱歉给您带来不便,我理解您很着急。",
        "caller: 是啊。",
        "agent: 我明白了。您的意思是说快递应该星期一到,对吗?",
        "caller: 对。",
        "agent: 我马上帮您处理,两天之内会送到。",
        "caller: 谢谢。",
        "agent: 请问还有其他需要帮助的吗?祝您生活愉快,再见。",
    ),
}
COLD = {
    "en": (
        "agent: Yeah what do you want me to do",
        "caller: My order never arrived and nobody called me back, this is ridiculous.",
        "agent: That's not my problem. I can't help you with the order. Calm down.",
        "caller: I've been waiting for two weeks.",
        "agent: I'm not sorry and we don't refund that. You should have read the terms.",
    ),
    "ru": (
        "agent: Да говорите быстрее у нас очередь стоит",
        "caller: Заказ так и не приехал, и никто не перезвонил, безобразие.",
        "agent: Это не наши проблемы. Ничем не могу помочь. Успокойтесь.",
        "caller: Я жду уже две недели.",
        "agent: Извиняться я не буду, надо было читать условия договора.",
    ),
    "zh": (
        "agent: 说吧什么事快点说后面还有人等",
        "caller: 我的快递一直没到,也没人给我回电话,太差了。",
        "agent: 这个不归我们管,帮不了你,你先冷静一下。",
        "caller: 我都等了两个星期了。",
        "agent: 我不用道歉,公司规定就是这样。",
    ),
}


def _measure(utterances: tuple[ScoredUtterance, ...], **settings: bool) -> Warmth:
    turns = measure_turns(utterances, duration_s=utterances[-1].end_s, channels=(C, A))
    return measure_warmth(utterances, cues=find_cues(utterances), turns=turns, **settings)


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_a_warm_agent_and_a_cold_one(language: str) -> None:
    warm, cold = (_measure(caller_and_agent(*lines[language], language=language)) for lines in (WARM, COLD))
    assert [item.name for item in warm.items] == list(ITEMS)
    assert warm.overall is not None
    assert cold.overall is not None
    assert warm.overall >= 90.0
    assert cold.overall <= 35.0
    assert all(item.quotes for item in warm.items if item.name != "patience")
    assert warm.item("empathy").score == 1.0
    assert cold.item("empathy").score == 0.0
    assert cold.item("ownership").score == 0.0


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_quotes_are_the_agents_own_words(language: str) -> None:
    utterances = caller_and_agent(*WARM[language], language=language)
    texts = {(u.channel, u.index): u.transcript.text for u in utterances if u.transcript}
    for item in _measure(utterances).items:
        for quote in item.quotes:
            assert quote.channel is A
            assert quote.text in texts[A, quote.index]


def test_empathy_is_asked_for_only_where_there_is_a_reason() -> None:
    calm = caller_and_agent(
        "agent: Good morning, Corner Pharmacy, this is Lena speaking, how can I help you today?",
        "caller: When do you open tomorrow?",
        "agent: We open at nine. Goodbye and have a nice day.",
    )
    assert _measure(calm).item("empathy").score is None
    stressed = with_stress(calm, {0: 0.9})
    assert _measure(stressed).item("empathy").score == 0.0


def test_patience_falls_with_interruptions_and_waiting() -> None:
    def patience(*spans: tuple[Channel, float, float]) -> float:
        utterances = [utterance(c, k, start, end) for k, (c, start, end) in enumerate(spans)]
        turns = measure_turns(utterances, duration_s=60.0, channels=(C, A))
        score = measure_warmth(utterances, cues=find_cues(utterances), turns=turns).item("patience").score
        assert score is not None
        return score

    polite = patience((C, 0.0, 10.0), (A, 10.5, 15.0), (C, 16.0, 25.0), (A, 25.5, 30.0))
    interrupting = patience((C, 0.0, 10.0), (A, 7.0, 15.0), (C, 16.0, 25.0), (A, 20.0, 30.0))
    slow = patience((C, 0.0, 10.0), (A, 14.5, 19.0), (C, 20.0, 25.0), (A, 29.5, 34.0))
    assert polite == 1.0
    assert interrupting < polite
    assert slow < polite


def test_the_limits_of_chinese_are_not_those_of_thai() -> None:
    text = "สวัสดีครับผมอยากสอบถามเรื่องบิลค่าโทรศัพท์เดือนนี้ครับ"
    heard = [
        utterance(c, k, 6.0 * (2 * k + (c is C)), 6.0 * (2 * k + (c is C)) + 5.0, text, language="th")
        for c in (A, C)
        for k in (0, 1)
    ]
    agent = measure_turns(heard, duration_s=24.0, channels=(C, A)).side(A)
    assert agent is not None
    assert agent.rate_per_min == pytest.approx(492.0)
    assert _measure(tuple(heard)).item("patience").score == 1.0


def test_what_cannot_be_known_is_not_scored() -> None:
    mixed = [utterance(M, 0, 0.0, 9.0, " ".join(["I'm so sorry to hear that, how can I help you?"] * 3))]
    turns = measure_turns(mixed, duration_s=10.0, channels=(M,))
    warmth = measure_warmth(mixed, cues=find_cues(mixed), turns=turns)
    assert warmth.overall is None
    assert warmth.measured_share == 0.0
    assert "mixed" in warmth.item("empathy").note
    shed = [utterance(A, 0, 0.0, 5.0), utterance(C, 0, 6.0, 9.0, "hello")]
    assert _measure(tuple(shed)).overall is None


def test_words_in_a_language_without_phrases_are_not_judged() -> None:
    foreign = _measure(caller_and_agent(*WARM["en"], language="es"))
    assert [item.name for item in foreign.items if item.score is not None] == ["patience"]
    assert foreign.overall is None
    assert "language" in foreign.item("greeting").note
    *english, last = caller_and_agent(*WARM["en"])
    goodbye = utterance(A, last.index, last.start_s, last.end_s, "Gracias por llamar, adiós", language="es")
    assert _measure((*english, goodbye)).item("ownership").score == 1.0


def test_a_call_that_goes_on_is_not_blamed_for_its_closing() -> None:
    utterances = caller_and_agent(*WARM["en"][:7])
    assert _measure(utterances, ended=False).item("closing").score is None
    assert _measure(utterances).item("closing").score == 0.0


def test_weights_sum_to_a_hundred_and_the_overall_is_their_mean() -> None:
    assert sum(WarmthConfig().weights.values()) == 100.0
    warmth = _measure(caller_and_agent(*COLD["en"]))
    measured = [(item.weight, item.score) for item in warmth.items if item.score is not None]
    expected = 100.0 * sum(w * s for w, s in measured) / sum(w for w, _ in measured)
    assert warmth.overall == pytest.approx(expected)


def test_a_greeting_of_several_parts_is_one_quote() -> None:
    said = "Hello, you are speaking to Claire. How can I help you?"
    heard = (
        utterance(A, 0, 0.0, 4.0, said),
        utterance(C, 0, 5.0, 8.0, "I cannot log in."),
        utterance(A, 1, 9.0, 13.0, "Let me look at your account and see what has happened there, one moment."),
    )
    greeting = measure_conversation(heard, duration_s=14.0, channels=(C, A)).warmth.item("greeting")
    assert greeting.score == 1.0
    (quote,) = greeting.quotes
    assert quote.text.startswith("Hello, you are speaking to")
    assert quote.text in said


@pytest.mark.parametrize(
    ("language", "said", "score"),
    [
        ("en", "I am [name].", 0.0),
        ("en", "Yes. I'm Mr. [name].", 0.0),
        ("en", "This is [name].", 0.0),
        ("en", "It's [name] again.", 0.0),
        ("en", "[name] here.", 0.0),
        ("en", "You can call me [name].", 0.0),
        ("en", "I am [name]. Thank you, [name].", 1.0),
        ("en", "Yes, I am. [name], it is done.", 1.0),
        ("en", "I am so sorry, [name].", 1.0),
        ("en", "Thank you, Mr. [name].", 1.0),
        ("ru", "Я [name].", 0.0),
        ("ru", "Это [name] из поддержки.", 0.0),
        ("ru", "С вами [name].", 0.0),
        ("ru", "Вас беспокоит [name].", 0.0),
        ("ru", "Сейчас проверю я, [name].", 1.0),
        ("zh", "我是[name]。", 0.0),
        ("zh", "我是[name]女士。", 0.0),
        ("zh", "我是售后的[name]。", 0.0),
        ("zh", "这边是[name]。", 0.0),
        ("zh", "[name]女士您好。", 1.0),
    ],
)
def test_the_agents_own_name_is_not_the_callers(language: str, said: str, score: float) -> None:
    opening, *rest = COLD[language]
    warmth = _measure(caller_and_agent(opening, f"agent: {said}", *rest, language=language))
    assert warmth.item("name_use").score == score
