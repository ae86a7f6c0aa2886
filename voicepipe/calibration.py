"""A site's recordings and labels become a profile: heard as every recording is heard, fitted, measured, written."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from voicepipe.config import Settings
from voicepipe.consent import decide
from voicepipe.counting import counted
from voicepipe.gateways.files import FileSource
from voicepipe.pipeline.call import MOST_TOGETHER, Models, analyze_call
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.ports import Transcriber
from voicepipe.service import Listener
from voicepipe.stress.calibrate import LabelledCall, SiteFit, fit_site
from voicepipe.stress.labels import MIN_SHARE, Label, LabelError, labelled, overlap_s, read_labels
from voicepipe.stress.profile import StressProfile, read_calm_reference, read_profile
from voicepipe.stress.site_profile import check_name, check_place, figures_of, labels_of, warnings_of, write_profile
from voicepipe.types import (
    AudioChunk,
    AudioInputError,
    Channel,
    ConfigError,
    Recognition,
    Roles,
    ScoredUtterance,
    Utterance,
)

END_TOLERANCE_S = 0.1
"""A label may end this much after its recording: tools round."""
MOST_LINES_TOLD = 8

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrateOptions:
    """How a site's recordings are read and where the profile goes.

    Attributes
    ----------
    out : Path
        Folder that gets the profile's folder.
    name : str
        The profile's, without its version.
    caller_channel : {"left", "right"} or None
        Side of a stereo recording that carries the caller; None assumes the left.
    language : str or None
        ISO 639-1 code; None detects.
    """

    out: Path
    name: str = "site"
    caller_channel: Literal["left", "right"] | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What came of it.

    Attributes
    ----------
    folder : Path
        Of the new profile.
    model : StressProfile
        What was fitted: the model itself, also where the settings name a profile of it.
    fit : SiteFit
    """

    folder: Path
    model: StressProfile
    fit: SiteFit

    @property
    def setting(self) -> str:
        """The line of the settings that chooses the profile."""
        return f'stress_model = "{self.folder.resolve()}"'


def calibrate(labels_path: Path, *, settings: Settings, options: CalibrateOptions, say: Say) -> Calibrated:
    """Fit a profile to labelled recordings.

    Everything that can be wrong with labels and recordings is refused before the first one is analysed. The model is
    the one that the settings name; of a profile, the model within, so that one profile never rests on another.

    Parameters
    ----------
    labels_path : Path
        See `voicepipe.stress.labels.read_labels`; paths in it are relative to its folder.
    settings : Settings
    options : CalibrateOptions
    say : callable
        Takes one sentence for the operator.

    Raises
    ------
    LabelError
        If labels cannot be used, or a recording cannot be read.
    ConfigError
        If the name is none for a profile, or the settings do not allow voices to be analysed.
    ModelError
        If weights are missing, or the profile cannot be written.
    """
    check_name(options.name)
    try:
        content = labels_path.read_bytes()
        lines = content.decode("utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        raise LabelError(f"The labels {labels_path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise LabelError(f"The labels {labels_path} cannot be read ({error}): save them as CSV in UTF-8.") from error
    folder = labels_path.parent
    labels = read_labels(lines, is_recording=lambda path: (folder / path).is_file())
    model = read_profile(read_profile(settings.stress_model).model_dir)
    check_place(options.out)
    by_path = {path: [label for label in labels if label.path == path] for path in {one.path: None for one in labels}}
    sources = {path: _checked(folder, mine, options=options, settings=settings) for path, mine in by_path.items()}
    if any(source.call.roles is Roles.ASSUMED for source in sources.values()):
        say("The left side of stereo recordings is taken for the caller's; --caller-channel right says otherwise.")
    listener = Listener(settings.model_copy(update={"stress_model": model.model_dir}))
    calls = []
    unheard: list[int] = []
    for i, (path, mine) in enumerate(by_path.items(), start=1):
        call, missed = hear_labelled(sources[path], mine, models=listener.models, config=settings.analysis)
        unheard += missed
        calls.append(call)
        heard = [one.stressed for one in call.scores if one.score.with_embedding]
        calm, stressed = heard.count(False), heard.count(True)
        utterances = counted(len(call.utterances), "utterance")
        say(f"{i}/{len(by_path)} {path}: {utterances}, labelled calm {calm}, stressed {stressed}")
    if unheard:
        shown = ", ".join(map(str, unheard[:MOST_LINES_TOLD])) + (", ..." if len(unheard) > MOST_LINES_TOLD else "")
        of_all = counted(len(labels), "label")
        say(f"Without an utterance that was heard and scored: {len(unheard)} of {of_all}, line {shown}")
    say("Fitting, and simulating calm calls for the level of alarms: this takes some minutes.")
    fit = fit_site(calls, reference=read_calm_reference(model.folder), episode=settings.analysis.episode)
    written = write_profile(
        model,
        fit,
        out=options.out,
        name=options.name,
        labels_sha256=hashlib.sha256(content).hexdigest(),
        made_on=datetime.now(tz=UTC).date(),
    )
    return Calibrated(folder=written, model=model, fit=fit)


def _checked(folder: Path, labels: Sequence[Label], *, options: CalibrateOptions, settings: Settings) -> FileSource:
    """Open a labelled recording and decode it once, so that a bad label is told before the long work begins."""
    first = labels[0]
    try:
        source = FileSource(folder / first.path, caller_channel=options.caller_channel, language=options.language)
        length_s = 0.0
        for event in source.events():
            if isinstance(event, AudioChunk):
                length_s = max(length_s, (event.first_sample + event.samples.size) / event.sample_rate_hz)
    except AudioInputError as error:
        raise LabelError(f"Line {first.line}: {error}") from error
    if not decide(source.call, config=settings.analysis.consent).voice:
        raise ConfigError(
            f"The consent in the settings does not allow the voice in {first.path} to be analysed (basis "
            f"{decide(source.call, config=settings.analysis.consent).basis}); calibrate on calls that may be."
        )
    heard = Channel.CALLER if Channel.CALLER in source.call.channels else Channel.MIXED
    for label in labels:
        if label.channel is not heard:
            tracks = "two tracks, so its channel is caller" if heard is Channel.CALLER else "one track: it is mixed"
            raise LabelError(
                f"Line {label.line}: {label.path} has {tracks}, not {label.channel}; mend the column channel."
            )
        if label.end_s > length_s + END_TOLERANCE_S:
            raise LabelError(
                f"Line {label.line}: {label.start_s:g} to {label.end_s:g} s lies outside {label.path}, which is "
                f"{length_s:.1f} s long."
            )
    return source


def hear_labelled(
    source: FileSource, labels: Sequence[Label], *, models: Models, config: AnalysisConfig
) -> tuple[LabelledCall, list[int]]:
    """Score a call as a live one is scored, and once more by prosody alone, as under overload.

    Parameters
    ----------
    source : FileSource
    labels : sequence of Label
        Of this recording, at least one.
    models : Models
        With the scorer of the model itself.
    config : AnalysisConfig

    Returns
    -------
    call : LabelledCall
    unheard : list of int
        Lines of the labels in which no utterance was heard and scored.
    """
    utterances = _scored(source, models=models, config=config)
    alone = _scored(source, models=replace(models, transcriber=_NoRecognition()), config=config)
    named = [one for one in utterances if one.score is not None]
    missed = [
        label.line
        for label in labels
        if not any(
            overlap_s(label, one) > MIN_SHARE * min(one.end_s - one.start_s, label.end_s - label.start_s)
            for one in named
        )
    ]
    call = LabelledCall(
        caller=labels[0].caller,
        scores=(*labelled(utterances, labels), *labelled(alone, labels)),
        utterances=tuple(named),
        stressed=any(label.stressed for label in labels),
    )
    return call, missed


def _scored(source: FileSource, *, models: Models, config: AnalysisConfig) -> list[ScoredUtterance]:
    """Return a recording's utterances but the agent's, in order of decision."""
    events = analyze_call(source.events(), models=models, config=config, together=MOST_TOGETHER)
    return [event for event in events if isinstance(event, ScoredUtterance) and event.channel is not Channel.AGENT]


class _NoRecognition(Transcriber):
    """A `voicepipe.ports.Transcriber` for when the encoder is shed: it recognises nothing."""

    def recognize(
        self,
        utterance: Utterance,
        *,
        language: str | None,
        choose_language: Callable[[Mapping[str, float]], str | None] | None = None,
        transcribe: bool = True,
        embed: bool = True,
        word_times: bool = False,
    ) -> Recognition:
        """Return neither text nor embedding."""
        del utterance, language, choose_language, transcribe, embed, word_times
        return Recognition(transcript=None, embedding=None)


def report(calibrated: Calibrated) -> Group:
    """Lay out for the terminal what was fitted and what it is worth; the line for the settings comes after it."""
    fit = calibrated.fit
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column(calibrated.model.model_id, justify="right")
    table.add_column(calibrated.folder.name, justify="right")
    for figure in figures_of(fit):
        table.add_row(figure.title, figure.before, figure.after)
    words = "measured here" if fit.words_measured else "the model's own; too few calm words here"
    return Group(
        Text(f"Fitted to {labels_of(fit)}."),
        Text(f"Score map: logit P = {fit.score_map.slope:.3f} logit s {fit.score_map.intercept:+.3f}."),
        Text(f"Kinds of calm speech measured here: {', '.join(fit.refitted) or 'none'}."),
        Text(f"Frustration in calm words that is bet against: {fit.reference.words_mean:.3f} ({words})."),
        Text(),
        table,
        Text(f"{calibrated.folder.name} was measured on callers that it was not fitted to.", style="dim"),
        Text(),
        *(Text(sentence, style="bold yellow") for sentence in warnings_of(fit)),
        Text(f"Wrote {calibrated.folder}; to choose it, put this into the settings:"),
    )
