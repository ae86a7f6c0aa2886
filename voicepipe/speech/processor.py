"""Which vector instructions the recogniser computes with.

CTranslate2 takes AVX2 at the most unless it is told otherwise before it first computes, by the environment variable
``CT2_FORCE_CPU_ISA`` [1]_; what it took then holds for the process. AVX-512 takes 5 to 15 % off a recognition
(``scripts/bench_offline.py``, with `whisper.instruction_set` set to one and to the other). It rounds differently, so
that a word may now and then be another.

References
----------
.. [1] https://opennmt.net/CTranslate2/environment_variables.html
"""

import os
from pathlib import Path
from typing import Literal

from voicepipe.types import ModelError

InstructionSet = Literal["auto", "avx512", "avx2"]

_VARIABLE = "CT2_FORCE_CPU_ISA"
_CPUINFO = Path("/proc/cpuinfo")
_AVX512_FLAGS = frozenset({"avx512f", "avx512cd", "avx512dq", "avx512bw", "avx512vl"})


def take(wanted: InstructionSet) -> str:
    """Have CTranslate2 compute with an instruction set; comes before the process loads its first model.

    Parameters
    ----------
    wanted : {"auto", "avx512", "avx2"}
        ``auto`` is what the environment variable says; without it AVX-512 where the processor has it, and
        CTranslate2's own choice elsewhere.

    Returns
    -------
    str
        In lower case, as in ``avx512``; empty where CTranslate2 chooses.

    Raises
    ------
    ModelError
        If the processor does not have what is wanted.
    """
    if wanted == "avx512" and not has_avx512():
        raise ModelError("whisper.instruction_set is avx512, which this processor does not have; set it to auto.")
    automatic = os.environ.get(_VARIABLE, "") or ("AVX512" if has_avx512() else "")
    taken = automatic if wanted == "auto" else wanted.upper()
    if taken:
        os.environ[_VARIABLE] = taken
    return taken.lower()


def has_avx512() -> bool:
    """Tell whether the processor, and the system, have the parts of AVX-512 that CTranslate2 needs; False off Linux."""
    try:
        lines = _CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return set(flags.split()) >= _AVX512_FLAGS
