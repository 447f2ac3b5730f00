import pytest

from facecluster.counted import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 faces"), (1, "1 face"), (2, "2 faces"), (1000, "1000 faces")]
)
def test_one_is_singular_and_all_else_plural(number: int, text: str) -> None:
    assert counted(number, "face") == text


def test_the_plural_may_be_another_word() -> None:
    assert [counted(n, "person is", "people are") for n in (1, 0)] == [
        "1 person is",
        "0 people are",
    ]
