from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversation.dialogues import caller_and_agent, utterance, with_stress
from voicepipe.conversation import measure_conversation
from voicepipe.conversation.satisfaction import INDEX_NOTE, SIGNALS, ServiceEstimate, Signal, measure_length, rate
from voicepipe.types import Channel, HumanRequest, ScoredUtterance

A, C, M = Channel.AGENT, Channel.CALLER, Channel.MIXED

GOOD = {
    "en": (
        "agent: Good morning, how can I help?",
        "caller: I can't log in to my account.",
        "agent: I have sent you a new link.",
        "caller: Oh it works now. Perfect, thank you so much.",
    ),
    "ru": (
        "agent: Добрый день, чем могу помочь?",
        "caller: Не могу войти в личный кабинет.",
        "agent: Я отправил новую ссылку.",
        "caller: О, теперь все работает. Спасибо большое, вы очень помогли.",
    ),
    "zh": (
        "agent: 您好,请问有什么可以帮您?",
        "caller: 我登录不了我的账号。",
        "agent: 我给您重新发了链接。",
        "caller: 可以用了,太好了,谢谢你。",
    ),
}
BAD = {
    "en": (
        "agent: Good morning, how can I help?",
        "caller: This is the third time I'm calling. I keep getting transferred from one to another.",
        "agent: Please hold, I'll transfer you.",
        "caller: As I already said, it still does not work. This is ridiculous, I will cancel the contract.",
    ),
    "ru": (
        "agent: Добрый день, чем могу помочь?",
        "caller: Звоню третий раз, меня постоянно переключают туда-сюда.",
        "agent: Минуточку, соединяю вас.",
        "caller: Я уже говорила, до сих пор ничего не работает. Это безобразие, буду писать жалобу.",
    ),
    "zh": (
        "agent: 您好,请问有什么可以帮您?",
        "caller: 我这是第三次打电话了,你们把我转来转去的。",
        "agent: 请稍等,帮您转接。",
        "caller: 我刚才已经说过了,还是没解决,太过分了,我要投诉。",
    ),
}


def _estimate(utterances: tuple[ScoredUtterance, ...], **settings: float) -> ServiceEstimate:
    return measure_conversation(utterances, duration_s=utterances[-1].end_s + 1.0, channels=(C, A), **settings).service


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_a_good_call_and_a_bad_one_lie_apart(language: str) -> None:
    good = _estimate(with_stress(caller_and_agent(*GOOD[language], language=language), {0: 0.5, 1: 0.1}))
    bad = _estimate(with_stress(caller_and_agent(*BAD[language], language=language), {0: 0.5, 1: 0.9}))
    assert good.csi is not None
    assert bad.csi is not None
    assert good.ces is not None
    assert bad.ces is not None
    assert good.csi.low > bad.csi.value
    assert good.csi.value > bad.csi.high
    assert good.ces.value > bad.ces.value + 30.0
    named = {signal.name for signal in bad.signals if signal.quotes}
    assert {"repeats", "contacts", "transfers", "unresolved"} <= named


def test_it_says_that_it_is_an_index() -> None:
    service = _estimate(caller_and_agent(*GOOD["en"]))
    assert service.csi is not None
    assert service.csi.kind == "index"
    assert service.note == INDEX_NOTE
    assert "not a prediction" in INDEX_NOTE
    assert tuple(service.values) == tuple(SIGNALS)


def test_less_heard_is_a_wider_interval() -> None:
    heard = caller_and_agent(*GOOD["en"])
    silent = tuple(
        utterance(u.channel, u.index, u.start_s, u.end_s, stress=0.3 if u.channel is C else None) for u in heard
    )
    one, two = _estimate(with_stress(heard, {0: 0.3, 1: 0.3})), _estimate(silent)
    assert one.csi is not None
    assert two.csi is not None
    assert two.csi.high - two.csi.low > one.csi.high - one.csi.low
    assert {s.name for s in two.signals if not s.measured} >= {"resolved", "thanks", "repeats", "frustration", "length"}


def test_nothing_of_the_caller_is_no_figure() -> None:
    service = _estimate((utterance(A, 0, 0.0, 5.0, "Hello? Is anybody there?"),))
    assert (service.csi, service.ces) == (None, None)


def test_words_in_a_language_without_phrases_are_not_measured() -> None:
    foreign = caller_and_agent(*GOOD["en"], language="es")
    service = _estimate(foreign)
    assert (service.csi, service.ces) == (None, None)
    assert {signal.name for signal in service.signals if signal.measured} == {"holds"}
    asked = HumanRequest(kind="human", rule="r", quote="q")
    stressed = _estimate(
        tuple(
            replace(u, human_request=asked if u.channel is C else None) for u in with_stress(foreign, {0: 0.9, 1: 0.9})
        )
    )
    assert stressed.csi is not None
    assert {s.name for s in stressed.signals if s.measured} >= {"stress_end", "human_request"}
    assert not {s.name for s in stressed.signals if s.measured} & {"repeats", "resolved", "unresolved", "thanks"}


def test_each_signal_moves_the_index_its_own_way() -> None:
    calm = caller_and_agent(*GOOD["en"])
    plain = _estimate(calm)

    def changed(
        *, stress: float | None = None, frustration: float | None = None, request: bool = False
    ) -> ServiceEstimate:
        return _estimate(
            tuple(
                utterance(
                    u.channel,
                    u.index,
                    u.start_s,
                    u.end_s,
                    u.transcript.text if u.transcript else None,
                    stress=stress if u.channel is C else None,
                    frustration=frustration if u.channel is C else None,
                    human_request=HumanRequest(kind="human", rule="r", quote="q")
                    if request and u.channel is C
                    else None,
                )
                for u in calm
            )
        )

    def csi(service: ServiceEstimate) -> float:
        assert service.csi is not None
        return service.csi.value

    assert csi(changed(stress=0.9)) < csi(plain) < csi(changed(stress=0.05))
    assert csi(changed(frustration=0.9)) < csi(plain)
    assert csi(changed(request=True)) < csi(plain)
    longer, shorter = _estimate(calm, queue_median_s=5.0), _estimate(calm, queue_median_s=500.0)
    assert longer.ces is not None
    assert shorter.ces is not None
    assert longer.ces.value < shorter.ces.value


def test_one_mixed_track_is_estimated_without_turn_taking() -> None:
    mixed = tuple(utterance(M, k, 5.0 * k, 5.0 * k + 4.0, "it still does not work", stress=0.8) for k in range(4))
    service = measure_conversation(mixed, duration_s=21.0, channels=(M,)).service
    assert service.csi is not None
    assert service.csi.value < 50.0
    assert not next(signal for signal in service.signals if signal.name == "holds").measured


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.one_of(st.none(), st.floats(1.0, 1e5)))
def test_it_stays_within_its_scale(stress: list[float], median_s: float | None) -> None:
    utterances = [utterance(C, k, 5.0 * k, 5.0 * k + 3.0, "it does not work", stress=s) for k, s in enumerate(stress)]
    service = measure_conversation(
        utterances, duration_s=5.0 * len(stress), channels=(C, A), queue_median_s=median_s
    ).service
    for estimate in (service.csi, service.ces):
        assert estimate is not None
        assert 0.0 <= estimate.low < estimate.value < estimate.high <= 100.0


def _worst(n: int) -> tuple[ScoredUtterance, ...]:
    """A call in which everything that can be measured speaks against it, in n utterances of the caller."""
    text = "It still does not work, I already told you, I called twice before, let me speak to your supervisor!"
    request = HumanRequest(kind="supervisor", rule="r", quote="q")
    return tuple(
        utterance(C, k, 8.0 * k, 8.0 * k + 6.0, text, stress=0.5 + 0.5 * k / n, frustration=0.98, human_request=request)
        for k in range(n)
    )


def test_an_index_without_surveys_is_sure_of_no_extreme() -> None:
    service = _estimate(_worst(40))
    for estimate in (service.csi, service.ces):
        assert estimate is not None
        assert estimate.value < 30.0
        assert estimate.high - estimate.low > 20.0
        assert estimate.high > 20.0


def test_the_less_is_measured_the_nearer_to_the_middle_and_the_wider() -> None:
    measured = [signal for signal in _estimate(_worst(20)).signals if signal.measured]
    estimates = [rate(measured[:count]).csi for count in range(2, len(measured) + 1)]
    assert all(estimate is not None for estimate in estimates)
    values = [estimate.value for estimate in estimates if estimate]
    assert values[-1] < values[len(values) // 2] < values[0] < 73.0

    def half(signal: Signal) -> Signal:
        return replace(signal, sd=4.0 * signal.sd)

    sure, unsure = rate(measured).csi, rate([half(signal) for signal in measured]).csi
    assert sure is not None
    assert unsure is not None
    assert sure.value < unsure.value
    assert sure.high < unsure.high


def test_the_length_can_be_judged_when_all_calls_are_known() -> None:
    call = caller_and_agent(*GOOD["en"])
    at_once = _estimate(call, queue_median_s=10.0)
    length = measure_length(call[-1].end_s + 1.0, queue_median_s=10.0)
    assert length is not None
    later = rate([*_estimate(call).signals, length])
    assert later == at_once
    assert measure_length(0.0, queue_median_s=10.0) is None
    assert measure_length(10.0, queue_median_s=None) is None
