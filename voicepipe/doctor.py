"""What is installed, what is missing, and the command that mends it."""

import hashlib
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.table import Table
from rich.text import Text

from voicepipe import __version__
from voicepipe.config import Settings
from voicepipe.counting import counted
from voicepipe.speech import weights
from voicepipe.speech.model_folder import read_model
from voicepipe.stress.profile import MANIFEST, PROFILE, read_profile
from voicepipe.types import ModelError, VoicepipeError

_LIBRARIES = (
    "ctranslate2",
    "faster-whisper",
    "onnxruntime",
    "av",
    "soxr",
    "numpy",
    "scipy",
    "kafka-python",
    "sqlalchemy",
)


class Verdict(StrEnum):
    """What a look at one thing found."""

    FINE = "ok"
    OPTIONAL = "not set up"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that voicepipe needs or could use.

    Attributes
    ----------
    thing : str
    verdict : Verdict
    detail : str
        Version, place, hash, licence, or what is wrong.
    mend : str
        The command that mends it; empty where nothing is wrong.
    """

    thing: str
    verdict: Verdict
    detail: str
    mend: str = ""

    @property
    def broken(self) -> bool:
        """Whether voicepipe cannot do its main job until this is mended."""
        return self.verdict is Verdict.BROKEN


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Look at everything once; nothing is changed and nothing is sent."""
    return (
        Finding(
            thing="voicepipe",
            verdict=Verdict.FINE,
            detail=f"{__version__}, Python {platform.python_version()}, {os.cpu_count()} CPUs",
        ),
        _libraries(),
        *_whisper(settings),
        _vad(),
        *_stress(settings),
        *_words(settings),
        _store(settings),
        _kafka(settings),
    )


def report(findings: Sequence[Finding]) -> Table:
    """Lay findings out as a table."""
    table = Table(box=None, pad_edge=False, show_header=False, expand=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    styles = {Verdict.FINE: "green", Verdict.OPTIONAL: "yellow", Verdict.BROKEN: "bold red"}
    for finding in findings:
        detail = Text(finding.detail)
        if finding.mend:
            detail.append(f"\n→ {finding.mend}", style="bold")
        table.add_row(Text(finding.verdict, style=styles[finding.verdict]), finding.thing, detail)
    return table


def model_table(settings: Settings) -> Table:
    """List the models, one row each: name, whether it is here, size, licence, place."""
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "here", "size", "licence", "place"):
        table.add_column(heading, overflow="fold")
    for listed in weights.listing(settings.cache_dir / "whisper"):
        size_mb = listed.weights.size_bytes / 1e6
        table.add_row(
            f"whisper {listed.weights.name}",
            "yes" if listed.present else "no: voicepipe models pull",
            f"{size_mb:.0f} MB",
            listed.weights.licence,
            str(listed.path),
        )
    _add_model(table, "stress", settings.stress_model, _name_of_stress)
    for kind, folder in _models_of_words(settings).items():
        _add_model(table, kind, folder, lambda folder: _name_of_words(folder, called="model"))
    return table


def _add_model(table: Table, kind: str, folder: Path, name_of: Callable[[Path], tuple[str, str]]) -> None:
    """Add the row of a model that comes with the package, or of what stands in its place."""
    size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    try:
        (name, licence), here = name_of(folder), "yes"
    except ModelError:
        name, here, licence = folder.name, "no: voicepipe models verify", "unknown"
    table.add_row(f"{kind} {name}", here, f"{size_mb:.1f} MB", licence, str(folder))


def _name_of_stress(folder: Path) -> tuple[str, str]:
    profile = read_profile(folder)
    return profile.model_id, profile.manifest.licence


def _name_of_words(folder: Path, *, called: str) -> tuple[str, str]:
    """Return name and licence of a model of words, its hash verified."""

    def facts(manifest: Mapping[str, object], _: object) -> tuple[str, str]:
        return str(manifest["model_id"]), str(manifest["licence"])

    return read_model(folder, facts, called=called)


def _models_of_words(settings: Settings) -> dict[str, Path]:
    """Return the folders of the models of words in use: requests for a human, frustration."""
    requests = {} if settings.words.intent.rules_only else {"request": settings.words.intent.model}
    return requests | {"frustration": settings.frustration_model}


def verify_models(settings: Settings, *, say: Callable[[str], None]) -> bool:
    """Hash every model file; say what was found of each; return whether all are as they must be."""
    checks = weights.verify(settings.whisper_model, settings.cache_dir / "whisper")
    for check in checks:
        say(str(check))
    if not all(check.passed for check in checks):
        say("→ voicepipe models pull")
    others = [*_stress(settings), *_words(settings)]
    for finding in others:
        say(f"{finding.thing}: {finding.verdict}: {finding.detail}" + (f" → {finding.mend}" if finding.mend else ""))
    return all(check.passed for check in checks) and not any(finding.broken for finding in others)


def _libraries() -> Finding:
    found, missing = [], []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            thing="libraries",
            verdict=Verdict.BROKEN,
            detail=f"missing: {', '.join(missing)}",
            mend="pip install voicepipe",
        )
    return Finding(thing="libraries", verdict=Verdict.FINE, detail=", ".join(found))


def _whisper(settings: Settings) -> list[Finding]:
    name, place = settings.whisper_model, settings.cache_dir / "whisper"
    thing = f"Whisper {name}"
    try:
        weights.locate(name, place)
        wrong = [str(check) for check in weights.verify(name, place) if not check.passed]
    except VoicepipeError as error:
        return [Finding(thing=thing, verdict=Verdict.BROKEN, detail=str(error), mend="voicepipe models pull")]
    if wrong:
        return [Finding(thing=thing, verdict=Verdict.BROKEN, detail="; ".join(wrong), mend="voicepipe models pull")]
    known = weights.WEIGHTS[name]
    digest = next(file.sha256 for file in known.files if file.name == "model.bin")
    return [
        Finding(
            thing=thing,
            verdict=Verdict.FINE,
            detail=f"{place / name}, model.bin sha256 {digest[:12]}…, every hash verified, licence {known.licence}",
        )
    ]


def _vad() -> Finding:
    from voicepipe.speech.vad import bundled_model_path

    try:
        path = bundled_model_path()
    except VoicepipeError as error:
        return Finding(thing="Silero VAD", verdict=Verdict.BROKEN, detail=str(error), mend="pip install faster-whisper")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Finding(thing="Silero VAD", verdict=Verdict.FINE, detail=f"{path.name}, sha256 {digest[:12]}…, licence MIT")


def _stress(settings: Settings) -> list[Finding]:
    from voicepipe.stress.scorer import OnnxStressScorer

    folder = settings.stress_model
    try:
        profile = OnnxStressScorer(folder).profile
        profile.calm_reference()
    except VoicepipeError as error:
        mend = ""  # where there is no such folder, the error says what to set
        if (folder / PROFILE).exists():
            mend = f"restore {folder} from its backup, or make it again: voicepipe calibrate"
        elif (folder / MANIFEST).exists():
            mend = f"restore {folder} from the release, or train it: scripts/train_stress.py"
        return [Finding(thing="stress model", verdict=Verdict.BROKEN, detail=str(error), mend=mend)]
    site = profile.site
    origin = (
        f"profile of {profile.manifest.model_id}, {counted(site.callers, 'caller')}, {site.made_on}, " if site else ""
    )
    return [
        Finding(
            thing="stress model",
            verdict=Verdict.FINE,
            detail=f"{profile.model_id}, {origin}{folder}, hashes verified, licence: {profile.manifest.licence}",
        )
    ]


def _words(settings: Settings) -> list[Finding]:
    findings = []
    for kind, folder in _models_of_words(settings).items():
        thing, mend = f"{kind} model", ""
        try:
            name, licence = _name_of_words(folder, called=thing)
            verdict, detail = Verdict.FINE, f"{name}, {folder}, hash verified, licence: {licence}"
        except ModelError as error:
            verdict, detail = Verdict.BROKEN, str(error)
            mend = f"restore {folder} from the release"
        findings.append(Finding(thing=thing, verdict=verdict, detail=detail, mend=mend))
    return findings


def _store(settings: Settings) -> Finding:
    from voicepipe.service import waiting_events

    try:
        waiting = waiting_events(settings)
    except VoicepipeError as error:
        return Finding(
            thing="store",
            verdict=Verdict.BROKEN,
            detail=str(error),
            mend="set store_url in the settings, or VOICEPIPE_STORE_URL, to a place that can be written",
        )
    mend = "voicepipe score --kafka HOST:PORT ... sends them first" if waiting else ""
    return Finding(
        thing="store",
        verdict=Verdict.FINE,
        detail=f"{settings.store_name}, {counted(waiting, 'event waits', 'events wait')} for delivery",
        mend=mend,
    )


def _kafka(settings: Settings) -> Finding:
    if settings.kafka is None:
        return Finding(
            thing="Kafka",
            verdict=Verdict.OPTIONAL,
            detail="no broker in the settings; reroutes are shown, not sent",
            mend="voicepipe doctor --kafka HOST:PORT tries one; [kafka] bootstrap_servers in the settings keeps it",
        )
    from voicepipe.events.contract import KAFKA_TOPICS
    from voicepipe.events.kafka_connection import check_kafka

    try:
        health = check_kafka(settings.kafka, topics=KAFKA_TOPICS)
    except VoicepipeError as error:
        return Finding(
            thing="Kafka",
            verdict=Verdict.BROKEN,
            detail=str(error),
            mend="start the broker, or name another: --kafka HOST:PORT",
        )
    topics = ", ".join(
        f"{name} {'missing' if count is None else counted(count, 'partition')}" for name, count in health.topics.items()
    )
    detail = f"{settings.kafka.bootstrap_servers}: {counted(health.brokers, 'broker')}; {topics}"
    if None in health.topics.values() and not settings.kafka.create_topics:
        mend = "create the missing topics, or set kafka.create_topics: without one of them nothing leaves"
        return Finding(thing="Kafka", verdict=Verdict.BROKEN, detail=detail, mend=mend)
    return Finding(thing="Kafka", verdict=Verdict.FINE, detail=detail)
