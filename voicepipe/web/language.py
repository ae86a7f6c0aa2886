"""What the console says in the viewer's language: Fluent messages, numbers, shares and durations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Self, TypeAlias

from fluent.runtime import FluentBundle, FluentResource
from fluent.runtime.types import fluent_number

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский", "zh": "中文"}
"""ISO 639-1 code of every language the console speaks, and its own name for itself."""

DEFAULT_LANGUAGE: Final = "en"

Value: TypeAlias = str | int | float
"""What a message takes for a variable."""

_NUMBERS_KEPT = 4096
_MINUTE_S = 60
_HOUR_S = 3600


class UnknownMessageError(LookupError):
    """A message that no file of the language holds, or that was given other variables than it takes."""


class Language:
    """One language of the console.

    Parameters
    ----------
    code : str
        One of `LANGUAGES`.
    sources : sequence of str
        Fluent text of all its files [1]_. An id that two files hold, or a line that is no Fluent, is an error.

    Raises
    ------
    ValueError
        Where a file cannot be understood or an id is said twice.

    References
    ----------
    .. [1] Project Fluent, "Syntax 1.0", projectfluent.org.
    """

    def __init__(self, code: str, sources: Sequence[str]) -> None:
        self.code = code
        # Isolation marks are for texts that run in both directions; all our languages run from the left.
        self._bundle = FluentBundle([code], use_isolating=False)
        known: set[str] = set()
        for source in sources:
            resource = FluentResource(source)
            for entry in resource.body:
                kind = type(entry).__name__
                if kind == "Junk":
                    raise ValueError(
                        f"the {code} messages hold a line that is no Fluent: {entry.content.strip()[:80]!r}"
                    )
                if kind in ("Message", "Term"):
                    name = f"-{entry.id.name}" if kind == "Term" else str(entry.id.name)
                    if name in known:
                        raise ValueError(f"the {code} messages say {name!r} twice; keep one of them")
                    known.update([name, *(f"{name}.{attribute.id.name}" for attribute in entry.attributes)])
            self._bundle.add_resource(resource)
        self.messages: frozenset[str] = frozenset(name for name in known if not name.startswith("-"))
        self._fixed: dict[str, str] = {}
        self._patterns: dict[tuple[str, ...], str] = {}
        self._numbers: dict[tuple[str, float, int], str] = {}

    @property
    def name(self) -> str:
        """The language's own name for itself."""
        return LANGUAGES[self.code]

    def t(self, message_id: str, /, **values: Value) -> str:
        """Return a message in this language.

        Parameters
        ----------
        message_id : str
            Id, or ``id.attribute``.
        **values
            Its variables. Numbers are written, and choose the plural form, as the language does it; what must stay as
            it is (an id, a name) is given as text.

        Returns
        -------
        str
            Plain text: whoever puts it into a page escapes it.

        Raises
        ------
        UnknownMessageError
            Where no file holds the id, or a variable is missing.
        """
        if not values and message_id in self._fixed:
            return self._fixed[message_id]
        if message_id not in self.messages:
            raise UnknownMessageError(f"no message {message_id!r} in {self.code!r}; write it into locales/{self.code}")
        name, _, attribute = message_id.partition(".")
        message = self._bundle.get_message(name)
        pattern = message.attributes[attribute] if attribute else message.value
        text, errors = self._bundle.format_pattern(pattern, {name: _tidy(value) for name, value in values.items()})
        if errors:
            raise UnknownMessageError(f"message {message_id!r} in {self.code!r}: {errors[0]}")
        if not values:
            self._fixed[message_id] = str(text)
        return str(text)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number as the language writes it, with `digits` after the point."""
        return self._format(value, digits, style="decimal")

    def percent(self, ratio: float, digits: int = 0) -> str:
        """Return a share, 0..1, as a percentage."""
        return self._format(ratio, digits, style="percent")

    def duration(self, seconds: float) -> str:
        """Return a length of time in short words: "34 s", "2 min 5 s", "1 h 12 min"."""
        whole = max(0, round(seconds))
        if whole < _MINUTE_S:
            return self.t("duration-seconds", seconds=whole)
        if whole < _HOUR_S:
            return self.t("duration-minutes", minutes=whole // _MINUTE_S, seconds=whole % _MINUTE_S)
        return self.t("duration-hours", hours=whole // _HOUR_S, minutes=whole % _HOUR_S // _MINUTE_S)

    @staticmethod
    def clock(seconds: float) -> str:
        """Return a length of time, or an offset in a call, as a clock shows it in every language: "0:34", "1:02:05"."""
        whole = max(0, int(seconds))
        hours, rest = divmod(whole, _HOUR_S)
        minutes, left = divmod(rest, _MINUTE_S)
        return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"

    def pattern(self, message_id: str, *names: str) -> str:
        """Return a message with ``{name}`` in the place of each variable, for a script to fill in."""
        key = (message_id, *names)
        if key not in self._patterns:
            self._patterns[key] = self.t(message_id, **{name: f"{{{name}}}" for name in names})
        return self._patterns[key]

    def _format(self, value: float, digits: int, *, style: str) -> str:
        # The sum makes a negative zero a plain one.
        key = (style, round(value, digits + 2 * (style == "percent")) + 0.0, digits)
        if key not in self._numbers:
            if len(self._numbers) >= _NUMBERS_KEPT:
                self._numbers.clear()
            number = fluent_number(key[1], style=style, minimumFractionDigits=digits, maximumFractionDigits=digits)
            self._numbers[key] = self.t("number", value=number)
        return self._numbers[key]

    def listed(self, items: Sequence[str]) -> str:
        """Return a list in words: "a", "a and b", "a, b and c"."""
        if not items:
            return ""
        said = items[0]
        for item in items[1:-1]:
            said = self.t("list-middle", left=said, right=item)
        return said if len(items) == 1 else self.t("list-last", left=said, right=items[-1])


@dataclass(frozen=True, slots=True)
class Languages:
    """All languages of the console, read once.

    Attributes
    ----------
    by_code : mapping of str to Language
        In the order of `LANGUAGES`.
    """

    by_code: Mapping[str, Language]

    @classmethod
    def load(cls) -> Self:
        """Read the messages out of the package.

        Raises
        ------
        ValueError
            Where a file cannot be understood or an id is said twice.
        """
        return cls({code: Language(code, _sources(code)) for code in LANGUAGES})

    @property
    def codes(self) -> tuple[str, ...]:
        """ISO 639-1 codes."""
        return tuple(self.by_code)

    def __iter__(self) -> Iterator[Language]:
        return iter(self.by_code.values())

    def __getitem__(self, code: str) -> Language:
        return self.by_code[code]

    def choose(self, *wanted: str | None, accept: str = "") -> Language:
        """Return the language to speak.

        Parameters
        ----------
        *wanted : str or None
            Codes, first the one that counts most: what the viewer chose on this device, the person's setting.
        accept : str
            The browser's ``Accept-Language`` [1]_; counts where none of `wanted` is spoken here.

        References
        ----------
        .. [1] RFC 9110, section 12.5.4.
        """
        tags = [*(code for code in wanted if code), *_accepted(accept)]
        codes = (tag.split("-", 1)[0].lower() for tag in tags)
        return self.by_code[next((code for code in codes if code in self.by_code), DEFAULT_LANGUAGE)]


def _sources(code: str) -> list[str]:
    folder = files("voicepipe.web") / "locales" / code
    entries = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".ftl")), key=lambda entry: entry.name)
    return [entry.read_text("utf-8") for entry in entries]


def _accepted(header: str) -> Sequence[str]:
    """Return the language tags of an ``Accept-Language`` header, most wanted first; those of quality 0 left out."""
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:1000].split(",")):
        tag, _, parameters = part.strip().partition(";")
        quality = 1.0
        name, _, value = parameters.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
        if tag.strip() and quality > 0.0:
            weighted.append((-quality, place, tag.strip()))
    return [tag for _, _, tag in sorted(weighted)]


def _tidy(value: Value) -> Any:
    """Return 4.0 as 4: a language's plural forms tell a whole number from a broken one."""
    return int(value) if type(value) is float and value.is_integer() else value
