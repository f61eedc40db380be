import numpy as np

from tfvae.text.token_rows import TokenRows


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
