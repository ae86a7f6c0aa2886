import pytest

from voicepipe.counting import counted


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("call",), "0 calls"),
        (1, ("call",), "1 call"),
        (2, ("call",), "2 calls"),
        (1, ("event waits", "events wait"), "1 event waits"),
        (5, ("event waits", "events wait"), "5 events wait"),
    ],
)
def test_one_is_one_and_all_others_are_many(count: int, words: tuple[str, ...], said: str) -> None:
    assert counted(count, *words) == said
