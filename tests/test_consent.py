"""What was recorded, and what may then be analysed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from voicepipe.config import load_settings
from voicepipe.consent import (
    DEFAULT_TERMS,
    ConsentConfig,
    ConsentDecision,
    QueueConsent,
    basis_of,
    caller_id_of,
    decide,
    erasure_of,
)
from voicepipe.types import Basis, Call, Channel, ConfigError, Erasure, Roles, Scope

STRICT = ConsentConfig(required=(Basis.EXPLICIT,), when_unknown=Scope.NOTHING)


def call_of(consent: str | None = None, *, queue: str | None = None) -> Call:
    return Call(
        call_id="call-1",
        started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
        gateway="test",
        channels=(Channel.CALLER, Channel.AGENT),
        roles=Roles.GIVEN,
        queue=queue,
        consent=consent,
    )


@pytest.mark.parametrize(
    ("consent", "basis"),
    [
        (None, Basis.OPERATOR_SETTING),
        ("", Basis.OPERATOR_SETTING),
        ("  ", Basis.OPERATOR_SETTING),
        ("Explicit", Basis.EXPLICIT),
        ("YES", Basis.EXPLICIT),
        ("opt-in", Basis.EXPLICIT),
        ("Opt Out", Basis.WITHDRAWN),
        ("legitimate interest", Basis.LEGITIMATE_INTEREST),
        ("none", Basis.NONE),
        ("nein danke", Basis.UNRECOGNISED),
        ("ivr-2026-03", Basis.UNRECOGNISED),
    ],
)
def test_what_is_recorded_has_a_meaning_and_what_cannot_be_read_is_no_yes(consent: str | None, basis: Basis) -> None:
    assert basis_of(consent, terms={}) is basis


def test_the_operators_own_words_come_first_and_the_longest_beginning_counts() -> None:
    terms = {"IVR-2026-*": Basis.EXPLICIT, "ivr-2026-no*": Basis.NONE, "yes": Basis.NOTICE}
    assert basis_of("ivr-2026-03", terms=terms) is Basis.EXPLICIT
    assert basis_of("ivr-2026-no-3", terms=terms) is Basis.NONE
    assert basis_of("Yes", terms=terms) is Basis.NOTICE
    assert basis_of("ivr-2025-03", terms=terms) is Basis.UNRECOGNISED


@pytest.mark.parametrize("word", sorted(DEFAULT_TERMS))
def test_no_built_in_word_means_more_than_it_says(word: str) -> None:
    decision = decide(call_of(word), config=STRICT)
    assert decision.voice == (DEFAULT_TERMS[word] is Basis.EXPLICIT)


@pytest.mark.parametrize(
    ("consent", "scope"),
    [
        (None, Scope.ALL),
        ("explicit", Scope.ALL),
        ("notice", Scope.ALL),
        ("none", Scope.TRANSCRIPT_ONLY),
        ("withdrawn", Scope.TRANSCRIPT_ONLY),
        ("who knows", Scope.TRANSCRIPT_ONLY),
    ],
)
def test_the_defaults(consent: str | None, scope: Scope) -> None:
    assert decide(call_of(consent), config=ConsentConfig()).scope is scope


def test_each_queue_may_have_its_own_rules_and_keeps_the_general_ones_otherwise() -> None:
    config = ConsentConfig(
        terms={"ivr*": Basis.NOTICE},
        queues={
            "debt": QueueConsent(required=(Basis.EXPLICIT,), without_basis=Scope.NOTHING),
            "sales": QueueConsent(when_unknown=Scope.WORDS),
        },
    )
    assert decide(call_of("ivr-1"), config=config).scope is Scope.ALL
    assert decide(call_of("ivr-1", queue="debt"), config=config).scope is Scope.NOTHING
    assert decide(call_of("yes", queue="debt"), config=config).scope is Scope.ALL
    assert decide(call_of(queue="debt"), config=config).scope is Scope.ALL
    assert decide(call_of(queue="sales"), config=config).scope is Scope.WORDS
    assert decide(call_of("no", queue="sales"), config=config).scope is Scope.TRANSCRIPT_ONLY


def test_each_scope_includes_the_next() -> None:
    allowed = [
        (decision.voice, decision.words, decision.transcript)
        for scope in (Scope.ALL, Scope.WORDS, Scope.TRANSCRIPT_ONLY, Scope.NOTHING)
        for decision in [ConsentDecision(basis=Basis.NONE, scope=scope)]
    ]
    assert allowed == [(True, True, True), (False, True, True), (False, False, True), (False, False, False)]


def test_something_is_erased_where_the_caller_refuses_or_less_is_allowed_than_before() -> None:
    yes, no, odd = (decide(call_of(word), config=ConsentConfig()) for word in ("yes", "no", "odd"))
    nothing = ConsentDecision(basis=Basis.WITHDRAWN, scope=Scope.NOTHING)
    call = call_of(queue="debt")
    config = ConsentConfig()
    assert erasure_of(yes, no, call=call, config=config) is Erasure.ACOUSTICS
    assert erasure_of(no, yes, call=call, config=config) is Erasure.NOTHING
    assert erasure_of(no, no, call=call, config=config) is Erasure.ACOUSTICS
    assert erasure_of(yes, odd, call=call, config=config) is Erasure.ACOUSTICS
    assert erasure_of(no, odd, call=call, config=config) is Erasure.NOTHING
    assert erasure_of(yes, nothing, call=call, config=config) is Erasure.EVERYTHING
    keep = ConsentConfig(queues={"debt": QueueConsent(on_withdrawal=Erasure.NOTHING)})
    assert erasure_of(yes, no, call=call, config=keep) is Erasure.NOTHING
    assert erasure_of(yes, nothing, call=call, config=keep) is Erasure.NOTHING


@pytest.mark.parametrize("basis", [Basis.NONE, Basis.WITHDRAWN, Basis.UNRECOGNISED, Basis.OPERATOR_SETTING])
def test_what_allows_nothing_cannot_be_required(basis: Basis) -> None:
    with pytest.raises(ConfigError, match="allows nothing"):
        ConsentConfig(required=(basis,))
    with pytest.raises(ConfigError, match="allows nothing"):
        QueueConsent(required=(basis,))


def test_a_refusal_cannot_be_set_to_mean_everything() -> None:
    with pytest.raises(ConfigError, match="without_basis"):
        ConsentConfig(without_basis=Scope.ALL)
    with pytest.raises(ConfigError, match="without_basis"):
        ConsentConfig(queues={"debt": QueueConsent(without_basis=Scope.ALL)})


def test_the_voice_of_a_mixed_track_can_be_left_alone() -> None:
    mixed = replace(call_of("yes"), channels=(Channel.MIXED,))
    assert decide(mixed, config=ConsentConfig()).scope is Scope.ALL
    config = ConsentConfig(mixed_voice=False, queues={"debt": QueueConsent(required=(Basis.EXPLICIT,))})
    assert decide(mixed, config=config).scope is Scope.WORDS
    assert decide(replace(mixed, queue="debt"), config=config).scope is Scope.WORDS
    assert decide(replace(mixed, consent="no"), config=config).scope is Scope.TRANSCRIPT_ONLY
    assert decide(call_of("yes"), config=config).scope is Scope.ALL


def test_the_settings_file_says_it(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[analysis.consent]\nrequired = ["explicit"]\nwhen_unknown = "transcript_only"\n'
        '[analysis.consent.terms]\n"ivr-2026-*" = "explicit"\n'
        '[analysis.consent.queues.debt]\nwithout_basis = "nothing"\n'
    )
    config = load_settings(path).analysis.consent
    assert decide(call_of("ivr-2026-03"), config=config).scope is Scope.ALL
    assert decide(call_of("notice"), config=config).scope is Scope.TRANSCRIPT_ONLY
    assert decide(call_of(), config=config).scope is Scope.TRANSCRIPT_ONLY
    assert decide(call_of("no", queue="debt"), config=config).scope is Scope.NOTHING


@pytest.mark.parametrize(
    "number",
    ["+49 30 1234567", "+49301234567", "004930-1234567", "tel:+49-30-1234567", "sip:+49301234567@pbx;user=phone"],
)
def test_a_caller_has_one_pseudonym_however_the_number_is_written(number: str) -> None:
    pseudonym = caller_id_of(number, key="a key of the operator")
    assert pseudonym == caller_id_of("+49301234567", key="a key of the operator")
    assert pseudonym != caller_id_of("+49301234567", key="another key, as secret")
    assert pseudonym != caller_id_of("+49301234568", key="a key of the operator")
    assert len(pseudonym) == 32
    assert "1234567" not in pseudonym


def test_an_address_without_a_number_has_a_pseudonym_too() -> None:
    assert caller_id_of("sip:Anna@example.org", key="k" * 16) == caller_id_of("SIP:anna@EXAMPLE.org", key="k" * 16)
    assert caller_id_of("sip:anna@example.org", key="k" * 16) != caller_id_of("sip:anna@example.com", key="k" * 16)
