"""Which instructions are taken, by what the processor says it has."""

import os
from pathlib import Path

import pytest

from voicepipe.speech import processor
from voicepipe.types import ModelError

VARIABLE = "CT2_FORCE_CPU_ISA"
WIDE = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512cd avx512dq avx512bw avx512vl avx512_vnni\n"
HALF = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512cd\n"


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the processor is described; no variable is set, and none is after the test."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPUINFO", path)
    return path


@pytest.mark.parametrize(
    ("text", "has"), [(WIDE, True), (HALF, False), ("Features\t: fp asimd\n", False), ("", False), ("flags", False)]
)
def test_what_a_processor_says_of_itself(cpuinfo: Path, text: str, has: bool) -> None:
    cpuinfo.write_text(text)
    assert processor.has_avx512() is has


def test_a_system_without_the_description_has_not(cpuinfo: Path) -> None:
    assert not processor.has_avx512()


def test_auto_takes_the_widest_that_is_there(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo.write_text(HALF)
    assert processor.take("auto") == ""
    assert VARIABLE not in os.environ
    cpuinfo.write_text(WIDE)
    assert processor.take("auto") == "avx512"
    assert os.environ[VARIABLE] == "AVX512"
    monkeypatch.setenv(VARIABLE, "GENERIC")
    assert processor.take("auto") == "generic"


def test_what_is_asked_for_is_taken_whatever_the_variable_says(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo.write_text(WIDE)
    monkeypatch.setenv(VARIABLE, "GENERIC")
    assert processor.take("avx2") == "avx2"
    assert os.environ[VARIABLE] == "AVX2"
    assert processor.take("avx512") == "avx512"


def test_what_the_processor_lacks_is_refused(cpuinfo: Path) -> None:
    cpuinfo.write_text(HALF)
    with pytest.raises(ModelError, match="this processor does not have; set it to auto"):
        processor.take("avx512")
    assert VARIABLE not in os.environ
