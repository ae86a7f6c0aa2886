"""A fit to a site's calls becomes a profile: a folder of its own, with a new version each time."""

import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from voicepipe.counting import counted
from voicepipe.stress.calibrate import FEW_CALLERS, SiteFigures, SiteFit
from voicepipe.stress.profile import MANIFEST, MODEL_FILES, MODEL_FOLDER, PROFILE, PROFILE_FORMAT, StressProfile
from voicepipe.stress.profile import sha256_of as hash_of
from voicepipe.types import ConfigError, ModelError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measure of a fit in words, as the terminal and the card show it.

    Attributes
    ----------
    title : str
        What is measured, and what is good.
    before, after : str
        Of the model as it was, and of the fit on callers that it had not seen.
    """

    title: str
    before: str
    after: str


def figures_of(fit: SiteFit) -> tuple[Figure, ...]:
    """Return a fit's figures in words."""

    def figure(title: str, before: str, after: str) -> Figure:
        return Figure(title=title, before=before, after=after)

    one, two = fit.before, fit.after
    return (
        figure("log loss (less is better)", f"{one.log_loss:.3f}", f"{two.log_loss:.3f}"),
        figure(
            "calibration error (0 is right)",
            f"{one.calibration_error:.3f}",
            f"{two.calibration_error:.3f}",
        ),
        figure("AUC, stressed above calm (1 is best)", f"{one.auc:.3f}", f"{two.auc:.3f}"),
        figure(
            "calm utterances called unusual (5 % is right)",
            f"{100.0 * one.calm_called_strange:.1f} %",
            f"{100.0 * two.calm_called_strange:.1f} %",
        ),
        figure(
            f"calm calls alarmed, of {fit.calm_calls}",
            str(one.calm_calls_alarmed),
            str(two.calm_calls_alarmed),
        ),
        figure(
            f"calls with stress alarmed, of {fit.stressed_calls}",
            str(one.stressed_calls_alarmed),
            str(two.stressed_calls_alarmed),
        ),
    )


def labels_of(fit: SiteFit) -> str:
    """Return what a fit rests on, in words."""
    return (
        f"{counted(fit.callers, 'caller')}, {counted(fit.calm_calls, 'calm call')} and {fit.stressed_calls} with "
        f"stress, {fit.calm} calm and {counted(fit.stressed, 'stressed utterance')}"
    )


def warnings_of(fit: SiteFit) -> tuple[str, ...]:
    """Return what to know before a profile is chosen, a sentence each."""
    told = []
    if fit.callers < FEW_CALLERS:
        told.append(
            f"The figures rest on {counted(fit.callers, 'caller')}, too few to believe; label calls of {FEW_CALLERS} "
            "at least."
        )
    if not fit.better:
        told.append("On callers not seen it is no better than the model as it was: label more before you choose it.")
    lost = fit.before.stressed_calls_alarmed - fit.after.stressed_calls_alarmed
    if lost > 0:
        told.append(f"Fewer calls with stress alarm than before, by {lost}: listen to them before you choose it.")
    if fit.calm_calls == 0:
        told.append("No labelled call is calm throughout, so nothing is known of false alarms; label some.")
    return tuple(told)


def check_name(name: str) -> None:
    """Refuse a name that is none for a profile.

    Raises
    ------
    ConfigError
        If it is not made of up to 40 letters, digits, ``-`` and ``_``.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"'{name}' is no name for a profile; take up to 40 letters, digits, - and _, such as site.")


def check_place(out: Path) -> None:
    """Make the folder that gets a profile and refuse one that cannot be written, before the long work begins.

    Raises
    ------
    ModelError
        If the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> ModelError:
    return ModelError(f"The profile cannot be written to {out} ({error.strerror}); choose another folder by --out.")


def write_profile(
    model: StressProfile, fit: SiteFit, *, out: Path, name: str, labels_sha256: str, made_on: date
) -> Path:
    """Write a fit as a new profile, ``<name>-<version>``; the version is one more than the largest there.

    Parameters
    ----------
    model : StressProfile
        The model, or a profile of it, that was fitted; not modified.
    fit : SiteFit
    out : Path
        Folder that gets the profile's folder; made if it is not there.
    name : str
        See `check_name`.
    labels_sha256 : str
        Hash of the file of labels.
    made_on : date

    Returns
    -------
    Path
        The new folder, laid out as `voicepipe.stress.profile` says, and ``card.md`` with the figures. It appears
        complete or not at all.

    Raises
    ------
    ConfigError
        If the name is none.
    ModelError
        If the folder cannot be written.
    """
    check_name(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=out) as drafts:
            for _ in range(_TRIES):
                version = _next_version(out, name)
                draft = Path(drafts, f"{name}-{version}")
                _write(draft, model, fit, name=name, version=version, labels_sha256=labels_sha256, made_on=made_on)
                target = out / draft.name
                try:
                    os.rename(draft, target)  # noqa: PTH104 - Path.replace documents no refusal of a folder that is there
                except OSError:
                    if not target.exists():
                        raise
                    shutil.rmtree(draft)  # another run took this version
                else:
                    return target
    except OSError as error:
        raise _unwritable(out, error) from error
    raise ModelError(f"The profile cannot be written to {out}: others take every version; try again.")


def _next_version(out: Path, name: str) -> int:
    """Return one more than the largest version there, so that a deleted one does not come back with another content."""
    pattern = re.compile(re.escape(name) + r"-(\d+)")
    taken = [int(match[1]) for path in out.iterdir() if (match := pattern.fullmatch(path.name))]
    return max(taken, default=0) + 1


def _write(
    folder: Path,
    model: StressProfile,
    fit: SiteFit,
    *,
    name: str,
    version: int,
    labels_sha256: str,
    made_on: date,
) -> None:
    copied = folder / MODEL_FOLDER
    copied.mkdir(parents=True)
    for file in (*MODEL_FILES, MANIFEST):
        shutil.copyfile(model.model_dir / file, copied / file)
    with (folder / "calm.npz").open("wb") as calm:
        fit.reference.save(calm)
    lines = [
        f"format = {PROFILE_FORMAT}",
        f'name = "{name}"',
        f"version = {version}",
        f'made_on = "{made_on.isoformat()}"',
        f'model_id = "{model.manifest.model_id}"',
        f'labels_sha256 = "{labels_sha256}"',
        f"callers = {fit.callers}",
        f"calm_calls = {fit.calm_calls}",
        f"stressed_calls = {fit.stressed_calls}",
        f"calm_utterances = {fit.calm}",
        f"stressed_utterances = {fit.stressed}",
        f"refitted = {[kind.value for kind in fit.refitted]}",
        f"words_mean = {fit.reference.words_mean!r}",
        f"words_measured = {str(fit.words_measured).lower()}",
        "",
        "[score_map]",
        f"slope = {fit.score_map.slope!r}",
        f"intercept = {fit.score_map.intercept!r}",
        "",
        "[sha256]",
        f'"calm.npz" = "{hash_of(folder / "calm.npz")}"',
        f'"{MODEL_FOLDER}/{MANIFEST}" = "{hash_of(copied / MANIFEST)}"',
    ]
    for title, figures in (("before", fit.before), ("after_on_unseen_callers", fit.after)):
        lines += ["", f"[{title}]", *(f"{field} = {getattr(figures, field)!r}" for field in SiteFigures.__slots__)]
    (folder / PROFILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    card = _card(fit, title=f"{model.manifest.model_id}+{name}-{version}", model=model, made_on=made_on)
    (folder / "card.md").write_text("\n".join(card) + "\n", encoding="utf-8")


def _card(fit: SiteFit, *, title: str, model: StressProfile, made_on: date) -> Sequence[str]:
    words = "measured on this site" if fit.words_measured else "the model's own: too few calm words were transcribed"
    return [
        f"# {title}",
        "",
        f"A site's profile of {model.manifest.model_id}, made on {made_on.isoformat()} by `voicepipe calibrate`.",
        f"Licence of the weights: {model.manifest.licence}.",
        "",
        f"* Labelled: {labels_of(fit)}.",
        f"* Score map: logit P = {fit.score_map.slope:.3f} logit s {fit.score_map.intercept:+.3f}.",
        f"* Kinds of calm speech measured here: {', '.join(fit.refitted) or 'none'}; others are the model's.",
        f"* Frustration in calm words that is bet against: {fit.reference.words_mean:.3f} ({words}).",
        "",
        "| | before | after, on callers not seen |",
        "|---|---|---|",
        *(f"| {figure.title} | {figure.before} | {figure.after} |" for figure in figures_of(fit)),
        *(f"\n{sentence}" for sentence in warnings_of(fit)),
    ]
