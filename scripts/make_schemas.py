"""Write the contract's documents into voicepipe/events/schemas, from the models."""

from voicepipe.events.contract import SCHEMA_FOLDER, schema_documents


def main() -> None:
    SCHEMA_FOLDER.mkdir(exist_ok=True)
    for name, text in schema_documents().items():
        (SCHEMA_FOLDER / name).write_text(text, encoding="utf-8")
        print(SCHEMA_FOLDER / name)


if __name__ == "__main__":
    main()
