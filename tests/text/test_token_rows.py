import numpy as np
import pytest

from tfvae.text import token_rows as module
from tfvae.text.token_rows import TokenRows, allowed_lengths, bucket_boundaries


def make(rows):
    flat = np.array([token for row in rows for token in row], np.int32)
    return TokenRows(flat, np.array([len(row) for row in rows], np.int64))


def as_lists(rows):
    return [part.tolist() for part in np.split(rows.flat, np.cumsum(rows.lengths)[:-1])]


ROWS = [[4, 5, 6], [7], [], [8, 9, 10, 11], [12, 13]]


def test_selects_in_any_order_with_repetition():
    for indices in ([3, 0, 2, 3], [1], [2], list(range(5))):
        picked = make(ROWS)[np.array(indices)]
        assert as_lists(picked) == [ROWS[index] for index in indices]
        assert picked.flat.dtype == np.int32
    assert len(make(ROWS)[np.array([], np.int64)]) == 0


def test_truncates_each_row():
    for length in (1, 2, 3, 9):
        expected = [row[:length] for row in ROWS]
        assert as_lists(make(ROWS).truncated(length)) == expected


def test_pads_on_the_right():
    expected = [row + [0] * (6 - len(row)) for row in ROWS]
    padded = make(ROWS).padded(6)
    assert padded.tolist() == expected
    assert padded.dtype == np.int32


def test_concatenates():
    joined = TokenRows.concatenate([make(ROWS[:2]), make(ROWS[2:])])
    assert as_lists(joined) == ROWS
    assert as_lists(joined[np.array([3])]) == [ROWS[3]]


def test_boundaries_by_hand():
    # 32 -> 40 -> ceil(50 / 4) * 4 = 52 -> 68 -> 88 -> 112 -> 140 -> 176 -> 200
    expected = (4, 8, 12, 16, 20, 24, 28, 32, 40, 52, 68, 88, 112, 140, 176, 200)
    assert bucket_boundaries(200) == expected
    assert bucket_boundaries(10) == (4, 8, 10)
    assert bucket_boundaries(3) == (3,)
    assert bucket_boundaries(32) == (4, 8, 12, 16, 20, 24, 28, 32)
    assert bucket_boundaries(200, step=50) == (50, 100, 150, 200)


@pytest.mark.parametrize("max_length", [1, 7, 31, 33, 400, 1000])
@pytest.mark.parametrize("step", [1, 3, 8, 64])
def test_boundaries_increase_to_the_maximum(max_length, step):
    boundaries = bucket_boundaries(max_length, step)
    assert list(boundaries) == sorted(set(boundaries))
    assert boundaries[-1] == max_length
    assert all(boundary % step == 0 for boundary in boundaries[:-1])


def test_refuses_boundaries():
    with pytest.raises(ValueError, match="step=0"):
        bucket_boundaries(10, step=0)
    with pytest.raises(ValueError, match="max_length=0"):
        bucket_boundaries(0)
    assert allowed_lengths([5, 20], 10) == (5, 20)
    for boundaries in ([], [5, 9], [5, 5, 10], [10, 5]):
        with pytest.raises(ValueError, match="must be increasing"):
            allowed_lengths(boundaries, 10)


def test_few_lengths_on_an_accelerator(monkeypatch):
    assert allowed_lengths(None, 6) == (1, 2, 3, 4, 5, 6)
    assert allowed_lengths([3, 7], 6) == (3, 7)
    monkeypatch.setattr(module, "has_accelerator", lambda: True)
    assert allowed_lengths(None, 6) == (4, 6)
    assert allowed_lengths("all", 2) == (1, 2)
    with pytest.raises(ValueError, match="'all', 'few' or .* boundaries='many'"):
        allowed_lengths("many", 2)
