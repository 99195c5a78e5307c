"""The small plots and the waterfall: what they show, and that they never overstate."""

from typing import Any

import pytest
from django.template import Context, Template

from ace_project.console.templatetags import plots, trail


def render(source: str, **context: Any) -> str:
    return Template("{% load console %}" + source).render(Context(context))


def drawn(steps: list[dict[str, Any]]) -> str:
    return render('{% include "parts/trail.html" %}', trail=trail.trail(steps))


# ---- plots ----
def test_an_interval_plot_says_its_figures_and_colours_only_what_excludes_zero() -> None:
    html = render("{% interval_plot 0.237 0.113 0.351 %}")
    assert 'aria-label="+23.7 points, +11.3 to +35.1"' in html
    assert "whisk good" in html
    assert "whisk mute" in render("{% interval_plot 0.01 -0.1 0.1 'spark' %}")
    assert "style=" not in html


def test_an_interval_plot_always_shows_zero() -> None:
    plot = plots.interval_plot(0.3, 0.2, 0.4, width=284, height=46, axis=True)
    assert 0 < float(plot.zero) < float(plot.low) < float(plot.at) < float(plot.high) < 284
    assert plot.ticks[0].label == "0"


def test_versions_are_drawn_in_order_and_unmeasured_ones_say_so() -> None:
    html = render(
        "{% versions_plot versions %}",
        versions=[
            {"number": 1, "share": 0.4, "low": 0.35, "high": 0.45},
            {"number": 2, "share": 0.3, "low": 0.2, "high": 0.38, "hurts": True},
            {"number": 3, "share": None, "live": True},
        ],
    )
    assert "no traces" in html
    assert "v3 live" in html
    assert "bad-f" in html
    assert "v1 40.0 percent, v2 30.0 percent" in html


def test_no_versions_measured_is_said() -> None:
    html = render("{% versions_plot versions %}", versions=[{"number": 1, "share": None}])
    assert "nothing measured" in html


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [(0, 44, [0, 10, 20, 30, 40]), (-3, 3, [-2, 0, 2]), (0, 1, [0, 0.5, 1])],
)
def test_ticks_are_round(start: float, end: float, ticks: list[float]) -> None:
    assert plots.round_ticks(start, end, 3 if end < 10 else 5) == pytest.approx(ticks)


def test_one_value_makes_no_sparkline() -> None:
    assert "too little to draw" in render("{% sparkline values %}", values=[0.5])
    assert "<path" in render("{% sparkline values values %}", values=[0.5, 0.6])


def test_a_confidence_under_the_threshold_says_so() -> None:
    assert "under 0.70" in render("{% confidence 0.66 0.7 %}")
    assert "under" not in render("{% confidence 0.81 0.7 %}")


def test_progress_never_passes_its_end() -> None:
    assert 'width="220.0"' in render("{% progress 70 60 'Tasks' %}")
    assert 'width="0.0"' in render("{% progress 0 0 'Tasks' %}")


# ---- steps ----
def test_steps_follow_each_other_on_the_waterfall() -> None:
    found = trail.trail([{"tool": "a", "seconds": 1}, {"tool": "b", "seconds": 3, "error": "no"}])
    assert [float(row.left) for row in found.rows] == pytest.approx([0, 49.5], abs=0.1)
    assert found.first_error == 2
    assert found.timed


def test_a_part_of_the_steps_is_drawn_on_its_own_time_line_but_told_in_the_time_of_the_whole() -> (
    None
):
    span = trail.Span(60.0, 4.0, origin=60.0)
    found = trail.trail(
        [{"tool": "a", "seconds": 1}, {"tool": "b", "seconds": 3}], first=101, span=span
    )
    assert [row.number for row in found.rows] == [101, 102]
    assert float(found.rows[1].left) == pytest.approx(49.5, abs=0.1)
    assert found.rows[1].times == "61\u202fs to 64\u202fs"


def test_places_on_a_long_time_line_are_told_apart() -> None:
    assert trail.Span(0.0, 50.0, origin=600.0).ends == ("10:00", "10:25", "10:50")
    assert trail.Span(0.0, 7200.0).ends == ("0 s", "1:00:00", "2:00:00")
    assert trail.Span(0.0, 199.0).ends == ("0 s", "1:40", "3:19")


def test_an_error_without_a_word_is_still_an_error() -> None:
    html = drawn([{"tool": "a", "error": ""}])
    assert "It failed without a word." in html


def test_the_first_error_can_be_jumped_to() -> None:
    html = drawn([{"tool": "a"}, {"tool": "b", "error": "no"}])
    assert 'href="#step-2"' in html
    assert 'id="step-2"' in html
    assert "no waterfall" in html


def test_a_trace_without_steps_says_so() -> None:
    assert "no steps" in drawn([])


def test_a_huge_result_is_cut_with_its_true_length() -> None:
    assert trail.as_text("x" * 30_000).endswith("10,000 more characters")
