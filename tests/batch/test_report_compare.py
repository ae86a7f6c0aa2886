"""Two runs over the same recordings: what flipped."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.batch.synthetic_run import SyntheticRun, synthetic_run
from voicepipe.batch.report.compare import compare, differences
from voicepipe.batch.report.data import read_tables
from voicepipe.batch.report.write import write_comparison, write_report

if TYPE_CHECKING:
    from tests.browser import Tab


def calm_copy(n_calls: int, *flipped: int) -> SyntheticRun:
    """Return the calls of `synthetic_run` without alerts and requests but for those numbered."""
    run = synthetic_run(n_calls)
    for number, call in enumerate(run.calls):
        call.update({"alert": number in flipped, "human_requests": 0, "stress_peak": 0.5})
    return run


class TestCompare:
    def test_each_flip_is_named(self, tmp_path: Path) -> None:
        a, b = calm_copy(6, 0, 1), calm_copy(6, 1, 2)
        b.calls[3]["human_requests"] = 2
        a.calls[4]["human_requests"] = 1
        told = compare(read_tables(a.write(tmp_path / "a")), read_tables(b.write(tmp_path / "b")))
        kinds = [["alert_gone"], [], ["alert_appeared"], ["human_appeared"], ["human_gone"], []]
        assert told["pairs"]["kinds"] == kinds
        assert told["meta"]["only_a"] == told["meta"]["only_b"] == []

    def test_calls_with_other_ids_match_by_their_recording_unless_two_share_its_name(self, tmp_path: Path) -> None:
        a, b = calm_copy(4), calm_copy(4)
        b.calls[0].update({"call_id": "renamed", "path": f"/elsewhere/{Path(b.calls[0]['path']).name}"})
        for number in (1, 2):
            b.calls[number].update({"call_id": f"twin {number}", "path": f"{number}/twin.wav"})
            a.calls[number]["path"] = f"{number}/twin.wav"
        told = compare(read_tables(a.write(tmp_path / "a")), read_tables(b.write(tmp_path / "b")))
        assert told["pairs"]["a_id"] == [a.calls[3]["call_id"], a.calls[0]["call_id"]]
        assert told["pairs"]["b_id"] == [a.calls[3]["call_id"], "renamed"]
        assert told["meta"]["only_a"] == [a.calls[1]["call_id"], a.calls[2]["call_id"]]
        assert told["meta"]["only_b"] == ["twin 1", "twin 2"]

    def test_a_score_is_compared_with_all_its_digits(self, tmp_path: Path) -> None:
        a, b = calm_copy(1), calm_copy(1)
        a.calls[0]["stress_peak"], b.calls[0]["stress_peak"] = 0.8353, 0.9148
        told = compare(read_tables(a.write(tmp_path / "a")), read_tables(b.write(tmp_path / "b")))
        assert (told["pairs"]["a_peak"], told["pairs"]["b_peak"]) == ([0.8353], [0.9148])

    def test_differing_settings_are_listed_and_equal_ones_are_not(self, tmp_path: Path) -> None:
        a, b = calm_copy(2), calm_copy(2)
        for call in b.calls:
            call["stress_model"] = "stress-4"
        b.run = {"facts": {"analysis.budget": "0.5", "voicepipe": "0.1.0"}}
        tables = [read_tables(run.write(tmp_path / name)) for name, run in (("a", a), ("b", b))]
        assert differences(*tables) == [["analysis.budget", "1.0", "0.5"], ["stress_model", "stress-1", "stress-4"]]


class TestPage:
    def test_it_shows_the_flips_and_leads_to_both_reports(self, tab: "Tab", tmp_path: Path) -> None:
        a, b = calm_copy(60, *range(5)), calm_copy(60, *range(3, 9))
        b.calls[20]["stress_peak"] = 0.9
        outs = [run.write(tmp_path / name) for name, run in (("a", a), ("b", b))]
        for out in outs:
            write_report(out)
        page = tab.open(write_comparison(*outs))
        tiles = page.inner_text(".tiles").replace("\n", " ")
        assert "Alerts that appeared 4 " in tiles
        assert "Alerts that disappeared 3 " in tiles
        expect(page.locator("table.flips tbody tr")).to_have_count(7)
        page.select_option("select[name=kind]", "alert_gone")
        expect(page.locator("table.flips tbody tr")).to_have_count(3)
        expect(page).to_have_url(re.compile("#kind=alert_gone$"))
        assert b.calls[20]["call_id"] in page.inner_text("table.moves")
        page.locator("table.flips a").first.click()
        page.wait_for_selector(".callhead")
        assert page.inner_text(".callhead h2") in {call["call_id"] for call in a.calls[:3]}

    def test_nothing_flipped_and_nothing_matched(self, tab: "Tab", tmp_path: Path) -> None:
        same, other = calm_copy(5).write(tmp_path / "same"), calm_copy(0).write(tmp_path / "other")
        page = tab.open(write_comparison(same, same, file=tmp_path / "x.html"))
        assert "Nothing flipped" in page.inner_text("main")
        assert "Versions and settings are the same in both." in page.inner_text("main")
        page = tab.open(write_comparison(same, other, file=tmp_path / "y.html"))
        assert "No call is in both runs" in page.inner_text("main")


@pytest.mark.parametrize("text", ["</script><img src=x onerror='window.pwned=1'>"])
def test_data_stays_text(tab: "Tab", tmp_path: Path, text: str) -> None:
    a, b = calm_copy(2), calm_copy(2, 0)
    for run in (a, b):
        for call in run.calls[:1]:
            call.update({"call_id": text, "agent": text, "queue": text})
    b.run = {"facts": {text: text}}
    page = tab.open(write_comparison(a.write(tmp_path / "a"), b.write(tmp_path / "b")))
    assert text in page.inner_text("table.flips")
    assert text in page.inner_text("table.differs")
    assert page.evaluate("() => window.pwned") is None
