"""The benchmark of texts: what it makes up, and its table."""

import json

import pytest

from bench import text
from playbooks import twins


def test_the_made_up_texts_are_the_same_each_time_and_every_fifth_is_a_twin() -> None:
    texts = text.made_up(200)
    assert texts == text.made_up(200)
    assert len({i for i, j, _ in twins.pairs(texts, 0.6)}) > 20
    assert all(10 <= len(words.split()) <= 45 for words in texts)


def test_a_small_run_prints_every_measurement_beside_its_baseline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    for name, value in text.ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ACE_SHARED", str(tmp_path))
    assert text.main(["--texts", "150", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 7
    assert all(row["baseline"] and row["baseline_seconds"] >= 0 for row in rows)
    assert text.main(["--texts", "150"]) == 0
    assert "skipped: no recorded lessons" in capsys.readouterr().out


@pytest.mark.shared
def test_labelled_pairs_are_rated_by_line_number(shared_data) -> None:
    path = shared_data / "lessons" / "reflexion_alfworld.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    rated = text._rated(lambda i, j: True, "x", [(1, 2, True), (3, 4, False)])
    assert (rated.precision, rated.recall) == (0.5, 1.0)
    assert {row.pairs for row in text._quality(texts)} == set(text.LABELS)
