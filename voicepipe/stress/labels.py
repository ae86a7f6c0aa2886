"""A site's labels: which stretches of recordings are calm and which are stressed, and which utterances they name."""

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

from voicepipe.types import Channel, ScoredUtterance, StressScore, VoicepipeError

COLUMNS = ("path", "channel", "start_s", "end_s", "label")
CALLER_COLUMN = "caller"
"""May be there as well: who called, for recordings of the same caller; without it every recording is another one's."""
LABELS = {"calm": False, "stressed": True}
MIN_SHARE = 0.5
"""Share of an utterance that must lie within stretches of one label for the label to be the utterance's."""
_DELIMITERS = ",;\t|"


class LabelError(VoicepipeError):
    """A file of labels that cannot be used; the sentence names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A stretch of a recording and how its caller sounded.

    Attributes
    ----------
    line : int
        Line in the file of labels, 1 for the header.
    path : str
        Recording, as the file names it.
    channel : Channel
        CALLER or MIXED.
    start_s, end_s : float
    stressed : bool
    caller : str
        Who spoke; the recording's path where the file does not say.
    """

    line: int
    path: str
    channel: Channel
    start_s: float
    end_s: float
    stressed: bool
    caller: str


def read_labels(lines: Iterable[str], *, is_recording: Callable[[str], bool]) -> tuple[Label, ...]:
    """Read labels from CSV with the header ``path,channel,start_s,end_s,label``.

    Parameters
    ----------
    lines : iterable of str
        Separated by comma, semicolon, tab or bar, whatever the header has; a column `caller` may be there, too.
    is_recording : callable
        Whether there is a file under a path.

    Returns
    -------
    tuple of Label
        In the order of the file, both labels among them.

    Raises
    ------
    LabelError
        If a line cannot be used, two overlap, or one of the two labels is missing.
    """
    remaining = iter(lines)
    header = next(remaining, "")
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(chain([header], remaining), delimiter=delimiter, skipinitialspace=True, strict=True)
    labels: list[Label] = []
    read = 0
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise LabelError(f"Line 1: the column {missing[0]} is missing; the header is {','.join(COLUMNS)}.")
        read = reader.line_num
        for row in reader:
            read = reader.line_num
            labels.append(_label(row, line=read, is_recording=is_recording))
    except csv.Error as error:
        raise LabelError(
            f"Line {read + 1}: this is no line of CSV ({error}); mend it, quotation marks first."
        ) from error
    _refuse_overlaps(labels)
    _refuse_two_callers(labels)
    calm = sum(not label.stressed for label in labels)
    if not labels or calm in {0, len(labels)}:
        only = (
            "no labels"
            if not labels
            else f"only {'calm' if calm else 'stressed'} ones, from line {labels[0].line} to line {labels[-1].line}"
        )
        raise LabelError(f"The labels hold {only}; both calm and stressed speech are needed.")
    return tuple(labels)


def _label(row: Mapping[str, str | None], *, line: int, is_recording: Callable[[str], bool]) -> Label:
    fields = {name: (row.get(name) or "").strip() for name in (*COLUMNS, CALLER_COLUMN)}
    if fields["label"] not in LABELS:
        raise LabelError(f"Line {line}: the label '{fields['label']}' is neither calm nor stressed.")
    if fields["channel"] not in {Channel.CALLER.value, Channel.MIXED.value}:
        raise LabelError(f"Line {line}: the channel '{fields['channel']}' is neither caller nor mixed.")
    try:
        start_s, end_s = float(fields["start_s"]), float(fields["end_s"])
    except ValueError:
        raise LabelError(
            f"Line {line}: '{fields['start_s']}' to '{fields['end_s']}' is no time; give seconds, such as 12.5."
        ) from None
    if not 0.0 <= start_s < end_s < float("inf"):
        raise LabelError(
            f"Line {line}: {start_s:g} to {end_s:g} s is no stretch of time; the end comes after the start."
        )
    if not is_recording(fields["path"]):
        raise LabelError(
            f"Line {line}: there is no recording '{fields['path']}'; paths are relative to the folder of the labels."
        )
    return Label(
        line=line,
        path=os.path.normpath(fields["path"]),
        channel=Channel(fields["channel"]),
        start_s=start_s,
        end_s=end_s,
        stressed=LABELS[fields["label"]],
        caller=fields[CALLER_COLUMN] or os.path.normpath(fields["path"]),
    )


def _refuse_overlaps(labels: Sequence[Label]) -> None:
    ordered = sorted(labels, key=lambda label: (label.path, label.channel.value, label.start_s))
    for one, other in pairwise(ordered):
        if (one.path, one.channel) == (other.path, other.channel) and other.start_s < one.end_s:
            first, second = sorted((one.line, other.line))
            raise LabelError(f"Line {second}: overlaps with line {first} in {one.path}; give each moment one label.")


def _refuse_two_callers(labels: Sequence[Label]) -> None:
    first_of: dict[str, Label] = {}
    for label in labels:
        first = first_of.setdefault(label.path, label)
        if first.caller != label.caller:
            raise LabelError(
                f"Line {label.line}: {label.path} has the caller '{label.caller}' here and '{first.caller}' on line "
                f"{first.line}; one recording holds one caller's call."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledScore:
    """A labelled utterance after scoring.

    Attributes
    ----------
    caller : str
    score : StressScore
    stressed : bool
    frustration : float or None
        Of the words, 0..1; None where there are none.
    """

    caller: str
    score: StressScore
    stressed: bool
    frustration: float | None = None


def labelled(utterances: Sequence[ScoredUtterance], labels: Sequence[Label]) -> list[LabelledScore]:
    """Give each scored utterance of one recording the label of the stretches that hold most of it.

    Time is compared on the utterance's channel. An utterance that lies within stretches of one label by less than
    `MIN_SHARE` of its length is left out, as is one without a score: nobody said how it sounded.
    """
    found = []
    for utterance in utterances:
        if utterance.score is None:
            continue
        shares = {
            stressed: sum(overlap_s(label, utterance) for label in labels if label.stressed is stressed)
            for stressed in (False, True)
        }
        stressed = shares[True] > shares[False]
        if shares[stressed] >= MIN_SHARE * (utterance.end_s - utterance.start_s) > 0.0:
            found.append(
                LabelledScore(
                    caller=labels[0].caller,
                    score=utterance.score,
                    stressed=stressed,
                    frustration=utterance.frustration.prob if utterance.frustration else None,
                )
            )
    return found


def overlap_s(label: Label, utterance: ScoredUtterance) -> float:
    """Return how many seconds of an utterance lie within a labelled stretch of its channel."""
    if label.channel is not utterance.channel:
        return 0.0
    return max(0.0, min(label.end_s, utterance.end_s) - max(label.start_s, utterance.start_s))
