"""Consent: on what basis a caller is listened to, and how much of the call may then be analysed.

Pure: the settings and what was recorded about the call go in, a decision that names its basis comes out. What the
protocols record (`voicepipe.types.Call.consent`) is the operator's own word for it, often the id of an announcement;
`ConsentConfig.terms` says what each means. What cannot be read is never taken for a yes.

References
----------
* Regulation (EU) 2016/679 (GDPR): Art. 6(1) lists the legal bases, Art. 7(3) the right to withdraw at any time, Art. 17
  the erasure.
* Regulation (EU) 2024/1689 (AI Act): Art. 3(39) calls a system that infers emotions from biometric data (the voice is
  such) an emotion recognition system; words alone are not.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from voicepipe.types import Basis, Call, Channel, ConfigError, Erasure, Scope

DEFAULT_TERMS: Mapping[str, Basis] = {
    "explicit": Basis.EXPLICIT,
    "granted": Basis.EXPLICIT,
    "given": Basis.EXPLICIT,
    "opt_in": Basis.EXPLICIT,
    "yes": Basis.EXPLICIT,
    "true": Basis.EXPLICIT,
    "notice": Basis.NOTICE,
    "announced": Basis.NOTICE,
    "informed": Basis.NOTICE,
    "contract": Basis.CONTRACT,
    "legitimate_interest": Basis.LEGITIMATE_INTEREST,
    "none": Basis.NONE,
    "no": Basis.NONE,
    "false": Basis.NONE,
    "denied": Basis.NONE,
    "declined": Basis.NONE,
    "refused": Basis.NONE,
    "opt_out": Basis.WITHDRAWN,
    "revoked": Basis.WITHDRAWN,
    "withdrawn": Basis.WITHDRAWN,
    "unknown": Basis.OPERATOR_SETTING,
}
"""Words that need no mapping. Case does not count, and a blank or a hyphen counts as an underscore."""

_REFUSALS = (Basis.NONE, Basis.WITHDRAWN)
_ORDER = (Scope.NOTHING, Scope.TRANSCRIPT_ONLY, Scope.WORDS, Scope.ALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConsent:
    """What holds in one queue instead of the general settings; what is not given holds as everywhere.

    Attributes
    ----------
    required : tuple of Basis, optional
    when_unknown, without_basis : Scope, optional
    on_withdrawal : Erasure, optional
    """

    required: tuple[Basis, ...] | None = None
    when_unknown: Scope | None = None
    without_basis: Scope | None = None
    on_withdrawal: Erasure | None = None

    def __post_init__(self) -> None:
        _check_required(self.required or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentConfig:
    """What an operator can set about consent.

    Attributes
    ----------
    required : tuple of Basis
        Bases that each by itself allow the whole analysis, the voice too: any of `explicit`, `notice`, `contract`,
        `legitimate_interest`.
    when_unknown : Scope
        What is analysed where nobody said anything about the call; the operator answers for it, and every event names
        `operator_setting` as its basis.
    without_basis : Scope
        What is analysed where the caller refused or withdrew, where the recorded basis is not among `required`, or
        where what was recorded cannot be understood.
    on_withdrawal : Erasure
        What is deleted of the call when a caller withdraws while it goes on.
    mixed_voice : bool
        Score the voice of a track that carries caller and agent together. It hears the employee too, whose emotions
        Art. 5(1)(f) of the AI Act forbids to infer: set it to false in the European Union.
    terms : mapping of str to Basis
        What the consent that telephony systems record means here; an asterisk at the end of a term stands for any
        ending (`ivr-2026-*`). Read before the built-in words: explicit, granted, given, opt_in, yes, true, notice,
        announced, informed, contract, legitimate_interest, none, no, false, denied, declined, refused, opt_out,
        revoked, withdrawn, unknown.
    queues : mapping of str to QueueConsent
        What differs in single queues: `[analysis.consent.queues.NAME]` with any of `required`, `when_unknown`,
        `without_basis` and `on_withdrawal`.
    """

    required: tuple[Basis, ...] = (Basis.EXPLICIT, Basis.NOTICE, Basis.CONTRACT, Basis.LEGITIMATE_INTEREST)
    when_unknown: Scope = Scope.ALL
    without_basis: Scope = Scope.TRANSCRIPT_ONLY
    on_withdrawal: Erasure = Erasure.ACOUSTICS
    mixed_voice: bool = True
    terms: Mapping[str, Basis] = field(default_factory=dict)
    queues: Mapping[str, QueueConsent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_required(self.required)
        if self.without_basis is Scope.ALL:
            raise ConfigError("without_basis is all; to analyse every voice, list more bases in required instead.")
        if any(queue.without_basis is Scope.ALL for queue in self.queues.values()):
            raise ConfigError("without_basis of a queue is all; list more bases in its required instead.")

    def in_queue(self, queue: str | None) -> "ConsentConfig":
        """Return what holds in a queue."""
        own = self.queues.get(queue) if queue is not None else None
        if own is None:
            return self
        return ConsentConfig(
            required=self.required if own.required is None else own.required,
            when_unknown=own.when_unknown or self.when_unknown,
            without_basis=own.without_basis or self.without_basis,
            on_withdrawal=own.on_withdrawal or self.on_withdrawal,
            mixed_voice=self.mixed_voice,
            terms=self.terms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """How much of a call may be analysed, and on what basis.

    Attributes
    ----------
    basis : Basis
    scope : Scope
    """

    basis: Basis
    scope: Scope

    @property
    def voice(self) -> bool:
        """Whether anything may be inferred from the sound of the caller's voice."""
        return self.scope is Scope.ALL

    @property
    def words(self) -> bool:
        """Whether the words may be searched for requests and frustration."""
        return self.scope in (Scope.ALL, Scope.WORDS)

    @property
    def transcript(self) -> bool:
        """Whether what was said may be written down."""
        return self.scope is not Scope.NOTHING

    def is_narrower_than(self, other: "ConsentDecision") -> bool:
        """Whether it allows less."""
        return _ORDER.index(self.scope) < _ORDER.index(other.scope)


def basis_of(consent: str | None, *, terms: Mapping[str, Basis]) -> Basis:
    """Return what a recorded consent means.

    Parameters
    ----------
    consent : str or None
        As in `Call.consent`; None or blank where nobody said.
    terms : mapping of str to Basis
        The operator's own words first: an exact one, else the longest that ends with an asterisk and fits.
    """
    word = _normal(consent or "")
    if not word:
        return Basis.OPERATOR_SETTING
    own = {_normal(term): basis for term, basis in terms.items()}
    if word in own:
        return own[word]
    beginnings = [term for term in own if term.endswith("*") and word.startswith(term[:-1])]
    if beginnings:
        return own[max(beginnings, key=len)]
    return DEFAULT_TERMS.get(word, Basis.UNRECOGNISED)


def decide(call: Call, *, config: ConsentConfig) -> ConsentDecision:
    """Decide how much of a call may be analysed.

    Parameters
    ----------
    call : Call
        Its `consent`, `queue` and `channels` count.
    config : ConsentConfig
    """
    config = config.in_queue(call.queue)
    basis = basis_of(call.consent, terms=config.terms)
    if basis is Basis.OPERATOR_SETTING:
        scope = config.when_unknown
    else:
        scope = Scope.ALL if basis in config.required else config.without_basis
    if scope is Scope.ALL and Channel.MIXED in call.channels and not config.mixed_voice:
        scope = Scope.WORDS
    return ConsentDecision(basis=basis, scope=scope)


def erasure_of(before: ConsentDecision, after: ConsentDecision, *, call: Call, config: ConsentConfig) -> Erasure:
    """Return what is to be deleted after a change of consent in mid-call.

    Nothing, unless the caller refuses or less is allowed than before. A caller who withdraws into ``nothing`` at all
    leaves nothing behind but the record of it.
    """
    if after.basis not in _REFUSALS and not after.is_narrower_than(before):
        return Erasure.NOTHING
    erasure = config.in_queue(call.queue).on_withdrawal
    if erasure is not Erasure.NOTHING and after.scope is Scope.NOTHING:
        return Erasure.EVERYTHING
    return erasure


def caller_id_of(number: str, *, key: str) -> str:
    """Return the pseudonym of a caller: 32 hexadecimal digits of HMAC-SHA256 (RFC 2104) of the number.

    The telephone numbers of a country can be tried out one by one, so an unkeyed hash would hide nothing; the key makes
    it a pseudonym (GDPR Art. 4(5)) as long as it is kept apart from the store.

    Parameters
    ----------
    number : str
        As the protocol gave it: ``+49 30 1234567``, ``tel:+49...``, ``sip:+49...@host`` and ``0049...`` are the same
        caller; a national form without the country's code is another one. An address that holds no number is taken as
        it is, without regard to case.
    key : str
        The operator's secret.
    """
    return hmac.new(key.encode(), _subscriber(number).encode(), hashlib.sha256).hexdigest()[:32]


def _subscriber(number: str) -> str:
    user = re.sub(r"^(tel|sips?):", "", number.strip(), flags=re.IGNORECASE).partition(";")[0]
    digits = re.sub(r"[\s().\-/]", "", user.partition("@")[0])
    if re.fullmatch(r"\+?\d{3,}", digits):
        return digits.removeprefix("+").removeprefix("00")
    return user.casefold()


def _normal(term: str) -> str:
    return re.sub(r"[\s\-]+", "_", term.strip().casefold())


def _check_required(required: tuple[Basis, ...]) -> None:
    wrong = [basis for basis in required if basis in (*_REFUSALS, Basis.UNRECOGNISED, Basis.OPERATOR_SETTING)]
    if wrong:
        raise ConfigError(
            f"required holds {wrong[0]}, which allows nothing; choose from explicit, notice, contract and "
            "legitimate_interest, and set when_unknown for calls of which nobody said anything."
        )
