"""Record the hash of a model's calm reference in its manifest, after ``calm.npz`` was measured again.

    python scripts/seal_model.py models/NAME

``train_stress.py`` does it by itself. The other files of the model must still be the ones that the manifest names.
"""

import argparse
import tomllib
from pathlib import Path

from voicepipe.stress.profile import MANIFEST, MODEL_FILES, read_calm_reference, sha256_of

HEADING = "[sha256]\n"


def seal(folder: Path) -> None:
    """Record the hash of ``calm.npz`` in the manifest of its folder.

    Raises
    ------
    ModelError
        If the calm reference is not one that this version reads.
    SystemExit
        If another file is not the one that the manifest names, or the manifest does not end with its hashes.
    """
    read_calm_reference(folder)
    path = folder / MANIFEST
    text = path.read_text(encoding="utf-8")
    hashes = tomllib.loads(text)["sha256"]
    head, heading, tail = text.partition(HEADING)
    if not heading or "\n[" in tail:
        raise SystemExit(f"{path} does not end with {HEADING.strip()}; nothing was changed")
    found = {name: sha256_of(folder / name) for name in MODEL_FILES}
    for name, digest in found.items():
        if name != "calm.npz" and hashes.get(name) != digest:
            raise SystemExit(f"{folder / name} is not the file that {path} names; nothing was changed")
    lines = [f'"{name}" = "{digest}"\n' for name, digest in found.items()]
    path.write_text(head + heading + "".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="folder of a model")
    for folder in parser.parse_args().folder:
        seal(folder)
        print(f"{folder / MANIFEST} holds the hash of {folder / 'calm.npz'}")


if __name__ == "__main__":
    main()
