"""However a listing is cut up, and in whatever order answers come, each key comes exactly once. Seeds are printed."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable

import pytest

from s3private.spans import Ask, Span, Spans
from unit.bucket import Bucket, page_from

CASES = 100
Keys = Callable[[random.Random, int], list[str]]


def flat_numbers(rng: random.Random, count: int) -> list[str]:
    width = rng.choice((4, 9, 20))
    return [f"part-{number:0{width}d}.bin" for number in range(count)]


def plain_numbers(rng: random.Random, count: int) -> list[str]:
    return [f"img{number}" for number in rng.sample(range(10 * count), count)]


def random_names(rng: random.Random, count: int) -> list[str]:
    letters = rng.choice(
        (
            "ab",
            "0123456789abcdef",
            "aZ/0",
            "/",
            "日本語データ/",
            "a\U0010ffff\ud7ff\ue000\uffff/",
            "é\x01 /~+%&<",
            "\U0001f600/x",
        )
    )
    return ["".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(count)]


def hexadecimal(rng: random.Random, count: int) -> list[str]:
    return [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(count)]


def partitions(rng: random.Random, count: int) -> list[str]:
    days, each = rng.choice(((3, 200), (40, 12), (count, 1), (1, count)))
    return [f"table/day={day:04d}/part-{number:05d}" for day in range(days) for number in range(each)][: 2 * count]


def beside_folders(rng: random.Random, count: int) -> list[str]:
    """Every folder has a file of nearly its name, and some have a marker of their own name."""
    keys = []
    for number in range(count // 3):
        keys += [f"t{number}.json", f"t{number}/a", f"t{number}/b"] + [f"t{number}/"] * rng.randint(0, 1)
    return keys


def skewed(rng: random.Random, count: int) -> list[str]:
    return [f"a{number}" for number in range(3)] + [f"zz/{'q' * 20}{number:06d}" for number in range(count)]


def deep_zeros(rng: random.Random, count: int) -> list[str]:
    """Few first characters, and the numbers far behind them: guesses in between are all wrong."""
    return [f"{first}{'0' * 30}{number:04d}" for first in "02468ac" for number in range(count // 7)]


def han(rng: random.Random, count: int) -> list[str]:
    return ["".join(chr(0x4E00 + rng.randrange(20000)) for _ in range(4)) for _ in range(count)]


SHAPES = [flat_numbers, plain_numbers, random_names, hexadecimal, partitions, beside_folders, skewed, deep_zeros, han]


def listed(
    rng: random.Random,
    bucket: Bucket,
    prefix: str,
    *,
    at_once: int,
    page_size: int,
    ordered: bool,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[list[str], int]:
    """All keys, as they came, with the answers in a random order; and how many requests it took."""
    spans = Spans(prefix, at_once=at_once, page_size=page_size, ordered=ordered)
    under_way: list[tuple[Span, Ask]] = []
    came: list[str] = []
    requests = 0
    while spans:
        while (following := spans.next()) is not None:
            under_way.append(following)
            requests += 1
        assert 0 < len(under_way) <= at_once
        span, ask = under_way.pop(rng.randrange(len(under_way)))
        # Looked at as late as may be: the bucket may have changed since it was asked.
        meanwhile()
        after = ask.token if ask.token is not None else ask.start_after
        answer = page_from(bucket, ask.prefix, after, "/" if ask.delimiter else "", page_size)
        for page in spans.answer(span, ask, answer):
            assert page.keys
            came += page.keys
    assert not under_way
    return came, requests


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_listing_is_all_keys_each_once(shape: Keys, ordered: bool) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(CASES):
        keys = sorted(set(shape(rng, rng.choice((0, 1, 10, 100, 300)))), key=str.encode)
        prefix = rng.choice(("", "", keys[len(keys) // 2][: rng.randint(0, 3)] if keys else "x"))
        wanted = [key for key in keys if key.startswith(prefix)]
        at_once, page_size = rng.choice((1, 2, 5, 16)), rng.choice((1, 2, 7, 50))
        came, requests = listed(rng, Bucket(keys), prefix, at_once=at_once, page_size=page_size, ordered=ordered)
        assert (came if ordered else sorted(came)) == wanted
        if at_once == 1:
            assert requests == max(1, -(-len(wanted) // page_size))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ordered", [True, False])
def test_keys_that_are_there_all_the_while_come_once_however_many_come_and_go(shape: Keys, ordered: bool) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(CASES // 4):
        keys = sorted(set(shape(rng, 200)))
        bucket = Bucket(keys)
        stay, go = keys[::2], set(keys[1::2])

        def change(bucket: Bucket = bucket, keys: list[str] = keys, go: set[str] = go) -> None:
            if go and rng.random() < 0.5:
                bucket.remove(go.pop())
            if keys:
                bucket.add(rng.choice(keys)[: rng.randint(1, 9)] + rng.choice(("", "/", "!", "0", "é", "\U0010ffff")))

        came, _ = listed(rng, bucket, "", at_once=8, page_size=7, ordered=ordered, meanwhile=change)
        counted = Counter(came)
        assert not [key for key in stay if counted[key] != 1]
        assert not [key for key, count in counted.items() if count > 1]
        assert not ordered or came == sorted(came)


@pytest.mark.parametrize(
    ("shape", "pages"),
    [(flat_numbers, 1.6), (hexadecimal, 1.9), (partitions, 2.3), (beside_folders, 2.3), (deep_zeros, 2.0), (han, 1.6)],
)
def test_cutting_up_costs_few_requests_more(shape: Keys, pages: float) -> None:
    rng = random.Random(1)
    for _ in range(10):
        keys = sorted(set(shape(rng, 4000)))
        _, requests = listed(rng, Bucket(keys), "", at_once=8, page_size=20, ordered=False)
        assert requests <= pages * len(keys) / 20 + 30, (len(keys) / 20, requests)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("keys", [["/" * 1000], ["d/" * number + "file" for number in range(300)]])
def test_deep_directories_are_not_a_request_each(keys: list[str], ordered: bool) -> None:
    came, requests = listed(random.Random(1), Bucket(keys), "", at_once=16, page_size=1000, ordered=ordered)
    assert sorted(came) == sorted(keys)
    assert requests <= 20


@pytest.mark.parametrize("shape", [flat_numbers, hexadecimal, partitions, skewed])
@pytest.mark.parametrize("ordered", [True, False])
def test_many_requests_are_under_way_at_once(shape: Keys, ordered: bool) -> None:
    """In rounds: all that are under way are answered, then the next are asked. One at a time would take 200 rounds."""
    rng = random.Random(1)
    bucket = Bucket(sorted(set(shape(rng, 4000))))
    spans = Spans("", at_once=16, page_size=20, ordered=ordered)
    rounds = 0
    while spans:
        asked = []
        while (following := spans.next()) is not None:
            asked.append(following)
        for span, ask in asked:
            after = ask.token if ask.token is not None else ask.start_after
            list(spans.answer(span, ask, page_from(bucket, ask.prefix, after, "/" if ask.delimiter else "", 20)))
        rounds += 1
    assert rounds < (60 if ordered else 45)


def test_what_is_kept_for_order_has_a_bound() -> None:
    rng = random.Random(1)
    bucket = Bucket([f"{number:06d}" for number in range(4000)] + [f"x{number}/" for number in range(4000)])
    spans = Spans("", at_once=8, page_size=20, ordered=True)
    under_way: list[tuple[Span, Ask]] = []
    while spans:
        while (following := spans.next()) is not None:
            under_way.append(following)
        kept = sum(len(page.keys) for span in spans._spans for page in span.pages)
        assert kept <= 2 * 8 * 20
        named = sum(len(span.ahead) + len(span.direct.keys) for span in spans._spans)
        assert named <= 3 * 20
        # The first is the last to be answered.
        span, ask = under_way.pop(rng.randrange(1, len(under_way)) if len(under_way) > 1 else 0)
        after = ask.token if ask.token is not None else ask.start_after
        list(spans.answer(span, ask, page_from(bucket, ask.prefix, after, "/" if ask.delimiter else "", 20)))
