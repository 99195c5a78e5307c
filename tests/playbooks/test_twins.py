"""Twins: exact TF-IDF cosines of all pairs, clusters without chains, and real recorded lessons."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import twins
from playbooks.content import bullets
from playbooks.differences import difference
from playbooks.paper_format import parse_paper

HERE = Path(__file__).parent
words = st.lists(
    st.sampled_from(["look", "pay", "call", "refund", "order", "1", "2", "the", "a"]), max_size=8
)


def by_the_book(texts):
    """The usual definition, spelled out: sublinear counts, smooth idf, unit length."""
    bags = []
    for text in texts:
        found = text.lower().split()
        bags.append(Counter(found + [" ".join(two) for two in zip(found, found[1:], strict=False)]))
    df = Counter(word for bag in bags for word in bag)
    rows = []
    for bag in bags:
        row = {
            word: (1 + math.log(count)) * (math.log((1 + len(texts)) / (1 + df[word])) + 1)
            for word, count in bag.items()
        }
        length = math.sqrt(sum(value**2 for value in row.values())) or 1
        rows.append({word: value / length for word, value in row.items()})
    return {
        (i, j): sum(value * rows[j].get(word, 0) for word, value in rows[i].items())
        for i in range(len(rows))
        for j in range(i + 1, len(rows))
    }


@given(st.lists(words.map(" ".join), max_size=12))
def test_every_pair_has_the_cosine_of_the_usual_definition(texts):
    expected = {pair: value for pair, value in by_the_book(texts).items() if value >= 0.51}
    found = {(i, j): cosine for i, j, cosine in twins.pairs(texts, 0.5)}
    assert {pair: value for pair, value in found.items() if value >= 0.51} == pytest.approx(
        expected, abs=1e-5
    )


def test_the_strongest_pairs_come_first_and_are_kept_when_there_are_too_many():
    texts = ["pay the order", "pay the order now", "pay the order", "look away"]
    index = twins.Index(texts)
    assert index.pairs(0.3)[0] == (0, 2, pytest.approx(1.0))
    assert [cosine for *_, cosine in index.pairs(0.3)] == sorted(
        (cosine for *_, cosine in index.pairs(0.3)), reverse=True
    )
    assert index.pairs(0.3, most=1) == index.pairs(0.3)[:1]


def test_a_new_text_finds_what_is_like_it_among_many():
    texts = [f"Look at parcel number {i} before order {i * 7}" for i in range(3_000)]
    [(best, cosine), *_] = twins.Index(texts).like("look at parcel number 77 before order 539", 0.5)
    assert best == 77
    assert cosine == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["!?", "..."], ["one"]])
def test_texts_without_words_are_like_nothing(texts):
    index = twins.Index(texts)
    assert index.pairs(0.5) == []
    assert index.like("anything", 0.5) == []
    assert twins.clusters(texts) == []


def test_words_that_nobody_had_make_a_new_text_less_like_the_old():
    index = twins.Index(["pay the order", "look at it"])
    exact = dict(index.like("pay the order", 0.1))[0]
    more = dict(index.like("pay the order zebra quagga", 0.1))[0]
    assert exact == pytest.approx(1.0, abs=1e-5)
    assert more < exact


def test_scripts_without_spaces_are_compared_sign_by_sign():
    [(i, j, cosine)] = twins.pairs(["退款前先查订单状态", "退款前先查看订单状态", "完全不同"], 0.4)
    assert (i, j) == (0, 1)
    assert cosine > 0.5


def test_the_same_in_other_forms_and_another_order_is_one_cluster():
    texts = [
        "I should have opened the drawer, then taken the plate, then cleaned it.",
        "Open the drawer, take the plate, then clean it.",
        "Wait for the parcel and answer the customer politely.",
    ]
    assert twins.clusters(texts) == [[0, 1]]


def test_a_chain_of_small_steps_does_not_join_what_is_far_apart():
    alphabet = [f"w{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    texts = [" ".join(alphabet[start : start + 10]) for start in range(16)]
    groups = twins.clusters(texts)
    assert groups
    assert all(len(group) < 8 for group in groups)


def test_what_is_told_apart_is_never_in_one_cluster():
    texts = ["Look at parcel 1 before the order", "Look at parcel 2 before the order"] * 2
    groups = twins.clusters(texts, 0.1, difference)
    assert groups == [[0, 2], [1, 3]]


@pytest.mark.shared
def test_the_recorded_playbook_has_the_twins_that_the_usual_definition_finds(shared_data):
    text = (shared_data / "playbooks" / "appworld_offline.txt").read_text(encoding="utf-8")
    texts = [bullet.text for bullet in bullets(parse_paper(text).content)]
    found = twins.pairs(texts, 0.7)
    near = {i for *pair, cosine in found if cosine > 0.9 - 1e-6 for i in pair}
    assert len(near) == 35
    assert len({i for *pair, _ in found for i in pair}) in range(74, 79)


def labelled(name):
    return json.loads((HERE / name).read_text())


def clustered(texts):
    groups = twins.clusters(texts, differ=difference)
    home = {i + 1: number for number, group in enumerate(groups) for i in group}
    return lambda a, b: a in home and home[a] == home.get(b)


def quality(pairs, same):
    said = [truth for a, b, truth in pairs if same(a, b)]
    return sum(said) / len(said), sum(said) / sum(truth for *_, truth in pairs)


@pytest.mark.shared
def test_recorded_lessons_that_say_the_same_are_found_and_others_are_not(shared_data):
    lines = (shared_data / "lessons" / "reflexion_alfworld.jsonl").read_text(encoding="utf-8")
    texts = [json.loads(line)["text"] for line in lines.splitlines()]
    pairs = labelled("same_lesson_pairs.json")
    assert len(texts) == 147
    assert len({(a, b) for a, b, _ in pairs}) == 100
    precision, recall = quality(pairs, clustered(texts))
    assert precision >= 0.95
    assert recall >= 0.7
