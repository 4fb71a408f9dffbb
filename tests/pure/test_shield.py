"""The draw of the claim-rate shield."""

from shared.domain.shield import is_drawn

HOUR_MS = 3_600_000


def drawn(callers: range, *, percent: float, now_ms: int = 0, key_id: int = 7) -> list[bool]:
    return [is_drawn(key_id, f"+1212555{number:04d}", now_ms=now_ms, percent=percent) for number in callers]


def test_nobody_at_0_and_everybody_at_100_percent() -> None:
    assert not any(drawn(range(2_000), percent=0))
    assert all(drawn(range(2_000), percent=100))


def test_about_as_many_as_the_percentage_says() -> None:
    assert 0.27 < sum(drawn(range(5_000), percent=30)) / 5_000 < 0.33


def test_a_retry_draws_the_same_within_the_hour_and_anew_after_it() -> None:
    first = drawn(range(500), percent=50)
    assert drawn(range(500), percent=50, now_ms=HOUR_MS - 1) == first
    assert drawn(range(500), percent=50, now_ms=HOUR_MS) != first
    assert drawn(range(500), percent=50, key_id=8) != first


def test_who_is_drawn_at_a_percentage_is_drawn_at_a_higher_one() -> None:
    assert all(
        high >= low
        for low, high in zip(drawn(range(500), percent=20), drawn(range(500), percent=40), strict=True)
    )
