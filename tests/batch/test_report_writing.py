"""The report before any browser: where recordings lie, what deserves a listen, what is packed, what goes wrong."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from tests.batch.synthetic_run import SyntheticRun, synthetic_run
from voicepipe.batch.report.data import CHUNK_CALLS, ReportData, read_tables
from voicepipe.batch.report.listen import weigh
from voicepipe.batch.report.page import pack
from voicepipe.batch.report.recordings import locate
from voicepipe.batch.report.write import write_report
from voicepipe.cli.app import app
from voicepipe.cli.report import report as report_command
from voicepipe.types import ConfigError
from voicepipe.web.language import Languages

ASSETS = Path(__file__).parents[2] / "voicepipe" / "batch" / "report" / "assets"


class TestRecordings:
    def test_addresses_are_relative_to_the_report_and_escaped(self, tmp_path: Path) -> None:
        recording = tmp_path / "night #1" / "ä? 100%.wav"
        [address] = locate([str(recording)], report=tmp_path / "out" / "report.html", audio_root=None)
        assert address is not None
        assert "#" not in address
        assert "?" not in address
        assert unquote(address) == "../night #1/ä? 100%.wav"

    def test_relative_paths_are_those_of_the_present_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert locate(["a/b.wav"], report=Path("out/report.html"), audio_root=None) == ["../a/b.wav"]

    def test_recordings_that_moved_keep_their_folders(self, tmp_path: Path) -> None:
        root, paths = tmp_path / "moved", ["/data/calls/mon/1.wav", "/data/calls/tue/2.wav"]
        assert locate(paths, report=tmp_path / "r.html", audio_root=root) == ["moved/mon/1.wav", "moved/tue/2.wav"]

    def test_recordings_that_moved_into_one_folder_are_found_by_name(self, tmp_path: Path) -> None:
        (tmp_path / "1.wav").touch()
        paths = ["/data/calls/mon/1.wav", "/data/calls/tue/2.wav"]
        assert locate(paths, report=tmp_path / "r.html", audio_root=tmp_path) == ["1.wav", "tue/2.wav"]

    def test_an_address_in_a_bucket_cannot_be_played(self, tmp_path: Path) -> None:
        assert locate(["s3://bucket/1.wav"], report=tmp_path / "r.html", audio_root=None) == [None]


def _call(**facts: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(
        (
            *("stress_peak", "stress_start", "stress_end", "stress_shift", "human", "frustration_peak", "survey_csi"),
            *("agent_silence_s", "agent_interruptions", "warmth", "coverage", "persisted", "frustration_words"),
            *("human_request_quote", "stressed_speech_s", "episode_peak"),
        )
    )
    return {**nothing, **facts}


class TestListen:
    def test_a_calm_call_has_no_rank(self) -> None:
        assert weigh(_call(stress_peak=0.3, stress_start=0.2, stress_end=0.2, stress_shift=0.0, coverage=1.0)) == (
            0.0,
            [],
        )

    def test_a_call_of_which_nothing_is_known_has_no_rank(self) -> None:
        assert weigh(_call()) == (0.0, [])

    def test_an_alert_outweighs_a_request_and_a_request_outweighs_a_moment(self) -> None:
        alert, _ = weigh(_call(persisted=1, stressed_speech_s=12.0, episode_peak=0.8))
        request, _ = weigh(_call(human="supervisor", human_request_quote="Your manager."))
        moment, _ = weigh(_call(stress_peak=0.9))
        assert alert > request > moment > 0

    def test_the_weightiest_reason_comes_first_and_four_are_told(self) -> None:
        call = _call(
            persisted=1,
            stressed_speech_s=30.0,
            episode_peak=0.9,
            human="human",
            coverage=0.5,
            stress_start=0.2,
            stress_end=0.8,
            stress_shift=0.6,
            frustration_peak=0.9,
            agent_silence_s=60.0,
        )
        _, reasons = weigh(call)
        assert [kind for kind, *_ in reasons] == ["alert", "rose", "human", "words"]


class TestData:
    def test_every_reason_and_measure_has_its_words(self, tmp_path: Path) -> None:
        words = (ASSETS / "words.js").read_text(encoding="utf-8")
        source = (ASSETS.parent / "listen.py").read_text(encoding="utf-8")
        for kind in re.findall(r'\["(\w+)",', source):
            assert f"      {kind}: (" in words
        data = ReportData(read_tables(synthetic_run(3).write(tmp_path)), report=tmp_path / "r.html")
        measures = words.partition("  measures: {")[2].partition("  },")[0]
        for call in data.details(0):
            for name in call["m"]:
                assert f"    {name}: " in measures

    def test_a_handoff_is_called_what_the_console_calls_it(self) -> None:
        words = (ASSETS / "words.js").read_text(encoding="utf-8")
        console = Languages.load()["en"].t
        parts = dict(re.findall(r'(\w+): "([^"]+)"', words.partition("    parts: {")[2].partition("}")[0]))
        assert f'handoff: "{console("call-handoff")}"' in words
        assert parts == {
            "wants": console("call-wants"),
            "tried": console("call-tried"),
            "promises": console("call-promised"),
            "amounts": console("call-amounts"),
            "open_question": console("call-question"),
        }

    def test_lines_lie_in_the_order_of_time_and_with_their_call(self, tmp_path: Path) -> None:
        run = synthetic_run(CHUNK_CALLS + 3)
        run.utterances.reverse()
        run.utterances.append({**run.utterances[0], "call_id": "of no call"})
        data = ReportData(read_tables(run.write(tmp_path)), report=tmp_path / "r.html")
        details = [call for chunk in range(len(data.chunks) - 1) for call in data.details(chunk)]
        assert len(details) == len(run.calls)
        for call, detail in zip(run.calls, details, strict=True):
            said = sorted(run.said_in(call["call_id"]), key=lambda row: row["start_s"])
            assert [line[3] for line in detail["u"]] == [row["text"] for row in said]

    def test_long_calls_are_packed_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("voicepipe.batch.report.data.CHUNK_UTTERANCES", 50)
        run = synthetic_run(4, lines=(20, 20))
        long = run.said_in(run.calls[1]["call_id"])
        run.utterances += [{**long[-1], "index": 100 + index} for index in range(60)]
        data = ReportData(read_tables(run.write(tmp_path)), report=tmp_path / "r.html")
        assert data.chunks == [0, 1, 2, 4]
        assert [len(call["u"]) for chunk in range(3) for call in data.details(chunk)] == [20, 80, 20, 20]

    def test_the_course_of_stress_is_the_highest_of_each_part(self, tmp_path: Path) -> None:
        run = synthetic_run(1)
        [call] = run.calls
        call["duration_s"] = 140.0
        run.utterances = [
            {
                **run.utterances[1],
                "channel": "caller",
                "index": index,
                "start_s": at_s,
                "end_s": at_s + 1.0,
                "stress": stress,
            }
            for index, (at_s, stress) in enumerate([(1.0, 0.2), (3.0, 0.55), (135.0, 1.0)])
        ]
        data = ReportData(read_tables(run.write(tmp_path)), report=tmp_path / "r.html")
        assert data.calls["spark"] == ["5------------9"]

    def test_surveys_become_pairs(self, tmp_path: Path) -> None:
        run = synthetic_run(2)
        pairs = [{"call_id": "a", "estimate": 70.0, "answer": 80.0}, {"call_id": "b", "estimate": 30.0, "answer": 20.0}]
        fit = {"n": 2, "text": "They agree.", "pairs": pairs}
        run.surveys = {"csi": fit, "ces": None}
        data = ReportData(read_tables(run.write(tmp_path)), report=tmp_path / "r.html")
        assert data.index()["meta"]["fits"]["csi"]["pairs"] == [["a", 80.0, 70.0], ["b", 20.0, 30.0]]
        assert "ces" not in data.index()["meta"]["fits"]

    def test_what_is_no_number_is_packed_as_null(self, tmp_path: Path) -> None:
        run = synthetic_run(1)
        run.calls[0].update({"stress_shift": float("nan"), "warmth": float("inf")})
        data = ReportData(read_tables(run.write(tmp_path)), report=tmp_path / "r.html")
        assert data.calls["stress_shift"] == data.calls["warmth"] == [None]


def test_a_block_is_base64_of_gzip_of_json_and_always_the_same() -> None:
    block = pack({"text": "</script> \ud800 é"})
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", block)
    assert json.loads(gzip.decompress(base64.b64decode(block))) == {"text": "</script> ? é"}
    assert block == pack({"text": "</script> \ud800 é"})


class TestWriting:
    def test_the_same_run_gives_the_same_page(self, tmp_path: Path) -> None:
        out = synthetic_run(3).write(tmp_path / "out")
        assert write_report(out).read_bytes() == write_report(out).read_bytes()

    def test_a_folder_without_results_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"holds no calls\.parquet; score recordings into it first"):
            write_report(tmp_path)

    def test_recordings_that_moved_to_no_folder_are_refused(self, tmp_path: Path) -> None:
        out = synthetic_run(2).write(tmp_path / "out")
        with pytest.raises(ConfigError, match="gone is no folder; give --audio-root"):
            write_report(out, audio_root=tmp_path / "gone")

    def test_a_damaged_table_is_refused(self, tmp_path: Path) -> None:
        out = synthetic_run(2).write(tmp_path)
        (out / "utterances.parquet").write_bytes(b"PAR1 not really")
        with pytest.raises(ConfigError, match=r"utterances\.parquet cannot be read"):
            write_report(out)

    def test_a_page_that_cannot_be_written_leaves_nothing_behind(self, tmp_path: Path) -> None:
        out = synthetic_run(2).write(tmp_path / "out")
        with pytest.raises(ConfigError, match="choose another --out"):
            write_report(out, file=tmp_path / "nowhere" / "page.html")
        (tmp_path / "taken.html").mkdir()
        with pytest.raises(ConfigError, match="choose another --out"):
            write_report(out, file=tmp_path / "taken.html")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "taken.html"]


class TestCommand:
    def test_it_writes_and_opens_the_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        opened: list[str] = []
        monkeypatch.setattr("webbrowser.open", opened.append)
        out = SyntheticRun().write(tmp_path / "a b")
        assert report_command.__name__ == "report"
        result = CliRunner().invoke(app, ["report", str(out), "--open"])
        assert result.exit_code == 0
        assert opened == [(out / "report.html").as_uri()]
        assert (out / "report.html").is_file()

    def test_two_folders_are_compared(self, tmp_path: Path) -> None:
        outs = [str(SyntheticRun().write(tmp_path / name)) for name in "ab"]
        result = CliRunner().invoke(app, ["report", "--compare", *outs, "--out", str(tmp_path / "c.html")])
        assert result.exit_code == 0
        assert (tmp_path / "c.html").is_file()

    @pytest.mark.parametrize(
        "arguments", [["a", "b"], ["--compare", "a"], ["--compare", "a", "b", "--audio-root", "c"]]
    )
    def test_misuse_is_told(self, arguments: list[str]) -> None:
        assert CliRunner().invoke(app, ["report", *arguments]).exit_code == 2
