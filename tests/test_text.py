import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from types import FrameType

import pytest

from voicepipe.packaged import packaged
from voicepipe.speech.words import WordsReader
from voicepipe.text import MANY_LINES, TABLE_HEAD, ReadLine, read_lines, read_stream
from voicepipe.types import AudioInputError, Channel

COMMAND = [sys.executable, "-m", "voicepipe.cli", "text"]
MOST_CALLS = 400
"""Calls of Python functions that a line may take; see `test_a_line_takes_few_steps`."""
CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def reader() -> WordsReader:
    return WordsReader.load(packaged("models") / "frustration-1")


def sentences() -> list[str]:
    return [
        row.split("\t")[-1]
        for file in sorted((Path(__file__).parent / "speech" / "data").glob("intent_*.tsv"))
        for row in file.read_text(encoding="utf-8").splitlines()
        if row.strip() and not row.startswith("#")
    ]


def read(reader: WordsReader, *lines: str | bytes, language: str | None = None) -> list[ReadLine]:
    raw: Iterable[bytes] = [line.encode() if isinstance(line, str) else line for line in lines]
    return list(read_lines(raw, language=language, reader=reader))


def test_line_as_json(reader: WordsReader) -> None:
    (line,) = read(reader, f"caller: Get me an agent, my card is {CARD}.\n")
    content = json.loads(line.as_json())
    assert list(content) == [
        "channel",
        "text",
        "language",
        "human_requested",
        "rule",
        "quote",
        "frustrated_prob",
        "words",
        "marks",
    ]
    assert content["channel"] == "caller"
    assert content["text"] == "Get me an agent, my card is [card]."
    assert content["language"] == "en"
    assert content["human_requested"] is True
    assert content["quote"] == "Get me an agent"
    assert 0.0 <= content["frustrated_prob"] <= 1.0
    (mark,) = content["marks"]
    assert mark["kind"] == "card"
    assert f"Get me an agent, my card is {CARD}."[mark["start"] : mark["end"]] == CARD


def test_the_agent_is_never_judged(reader: WordsReader) -> None:
    agent, caller = read(reader, "AGENT: this is ridiculous, get me a manager", "this is ridiculous, get me a manager")
    assert (agent.channel, agent.human_request, agent.frustration) == (Channel.AGENT, None, None)
    assert json.loads(agent.as_json())["frustrated_prob"] is None
    assert caller.channel is Channel.CALLER
    assert caller.human_request is not None
    assert caller.frustration is not None


@pytest.mark.parametrize(
    ("line", "channel", "text"),
    [
        ("agent: hi", "agent", "hi"),
        ("Agent:hi", "agent", "hi"),
        ("  CALLER :  hi", "caller", "hi"),
        ("caller：你好", "caller", "你好"),
        ("agents: hi", "caller", "agents: hi"),
        ("manager: hi", "caller", "manager: hi"),
        ("hi agent: you", "caller", "hi agent: you"),
    ],
)
def test_speaker_in_front(reader: WordsReader, line: str, channel: str, text: str) -> None:
    (heard,) = read(reader, line)
    assert (heard.channel, heard.text) == (channel, text)


def test_one_result_a_line_whatever_the_line(reader: WordsReader) -> None:
    lines = [
        b"\xef\xbb\xbfagent: hi\r\n",
        b"\r\n",
        b"\n",
        b"caller:\n",
        b"\xff\xfe\x00 agent please\n",
        b"42\n",
        b"x\x85\xe2\x80\xa8y",
    ]
    heard = read(reader, *lines)
    assert len(heard) == len(lines)
    assert [line.text for line in heard[:4]] == ["hi", "", "", ""]
    assert heard[1].frustration is None
    assert "\N{REPLACEMENT CHARACTER}" in heard[4].text
    assert heard[5].language is None
    for line in heard:
        assert len(line.as_json().splitlines()) == 1
        assert len(line.as_row().split("\n")) == 1


def test_what_was_announced_is_masked_in_the_next_line_but_not_in_the_next_conversation(reader: WordsReader) -> None:
    asked, number = "agent: Can I have your card number?", "four one one one"
    assert read(reader, asked, number)[1].text != number
    assert read(reader, asked, "", number)[2].text == read(reader, number)[0].text


def test_given_language_is_told(reader: WordsReader) -> None:
    assert [line.language for line in read(reader, "оператора", "ok", "", language="ru")] == ["ru", "ru", "ru"]
    assert [line.language for line in read(reader, "оператора", "轉人工", "agent")] == ["ru", "zh", "en"]


def test_utf_16_is_named(reader: WordsReader) -> None:
    with pytest.raises(AudioInputError, match="UTF-16"):
        read(reader, "agent".encode("utf-16"))


def run(text: str | bytes, *options: str) -> str:
    raw = text.encode() if isinstance(text, str) else text
    done = subprocess.run([*COMMAND, *options], input=raw, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_command_prints_json_lines_where_no_terminal_is() -> None:
    lines = [json.loads(line) for line in run("Agent!\n\nagent: hello").splitlines()]
    assert [line["human_requested"] for line in lines] == [True, False, False]
    assert run("Agent!", "--format", "jsonl") == run("Agent!")


def test_command_prints_a_table() -> None:
    head, row = run("get me an agent", "--format", "table", "--language", "en").splitlines()
    assert head == TABLE_HEAD
    assert "human: asks_for_person" in row


def test_command_refuses_an_unknown_language() -> None:
    done = subprocess.run([*COMMAND, "--language", "de"], input=b"", capture_output=True, check=False)
    assert done.returncode == 2


def test_command_answers_each_line_as_it_comes() -> None:
    with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in (b"Agent!\n", b"hello\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["channel"] == "caller"
        process.stdin.close()


class Bursts(io.BufferedIOBase):
    """A stream whose bytes come in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def read1(self, size: int = -1, /) -> bytes:
        assert size < 0 or not self._pieces or len(self._pieces[0]) <= size
        return self._pieces.pop(0) if self._pieces else b""


def test_lines_that_came_together_are_read_together(reader: WordsReader) -> None:
    stream = Bursts(b"Agent!\n", b"hel", b"lo\nmy pin is\n4821", b"\nlast")
    bursts = list(read_stream(stream, language=None, reader=reader))
    assert [[line.text for line in lines] for lines in bursts] == [
        ["Agent!"],
        [],
        ["hello", "my pin is"],
        ["[code]"],
        ["last"],
    ]


def test_many_lines_are_read_by_several_processes_as_by_one(reader: WordsReader) -> None:
    said = [
        "agent: can I have your card number?",
        "four one one one",
        "this is ridiculous, get me a manager",
        "позовите оператора",
        "转人工",
        "",
    ]
    lines = [f"{said[number % len(said)]}\n".encode() for number in range(2 * MANY_LINES)]
    together = read_stream(Bursts(b"".join(lines)), language=None, reader=reader, processes=2)
    assert list(chain.from_iterable(together)) == list(read_lines(lines, language=None, reader=reader))


def die(_words: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_helper_that_dies_takes_no_line_with_it(reader: WordsReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.text._help", die)
    lines = [f"get me a manager {number}\n".encode() for number in range(2 * MANY_LINES)]
    together = read_stream(Bursts(b"".join(lines)), language=None, reader=reader, processes=2)
    assert list(chain.from_iterable(together)) == list(read_lines(lines, language=None, reader=reader))


def test_more_is_taken_in_while_helpers_read(
    reader: WordsReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["get me a manager", "my pin is", "4821", "转人工", "спасибо, до свидания"]
    lines = [f"{said[number % len(said)]} {number}\n".encode() for number in range(4 * MANY_LINES)]
    file = tmp_path / "lines.txt"
    file.write_bytes(b"".join([*lines, b"and no line end"]))
    monkeypatch.setattr("voicepipe.text.PIECE_BYTES", len(b"".join(lines)) // 3)
    for most in (2, 1_000):  # this process reads some of them at once, or only the last ones
        monkeypatch.setattr("voicepipe.text.MOST_BATCHES", most)
        with file.open("rb") as stream:
            together = list(chain.from_iterable(read_stream(stream, language=None, reader=reader, processes=2)))
        assert together == list(read_lines([*lines, b"and no line end"], language=None, reader=reader))


def test_a_line_takes_few_steps(reader: WordsReader) -> None:
    """A guard against getting slower that no other load disturbs: it counts calls of functions, not seconds."""
    said = [line.encode() for line in sentences()[::40]]
    list(read_lines(said, language=None, reader=reader))  # what is prepared at the first use does not count
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        list(read_lines(said, language=None, reader=reader))
    finally:
        sys.setprofile(before)
    print(f"{calls / len(said):.0f} calls of functions a line")
    assert calls / len(said) < MOST_CALLS


@pytest.mark.slow
def test_ten_thousand_lines_do_not_take_long() -> None:
    """A guard against getting slower, on whatever machine: it prints what it measures; the goal is 5 s by the clock."""
    said = sentences()
    lines = [f"{said[number % len(said)]} {number}" for number in range(10_000)]
    assert len(set(lines)) == 10_000
    before = os.times()
    began_s = time.monotonic()
    assert run("\n".join(lines)).count("\n") == 10_000
    after = os.times()
    spent_s = after.children_user + after.children_system - before.children_user - before.children_system
    print(f"{spent_s:.2f} s of processor time, {time.monotonic() - began_s:.2f} s by the clock")
    assert spent_s < 15.0
