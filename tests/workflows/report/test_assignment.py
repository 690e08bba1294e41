"""An assignment is a best one, by enumeration of all."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from spacy_bilstm_crf.workflows.report.assignment import best_assignment

# Beyond what a float can tell apart
values = st.integers(0, 6) | st.integers(0, 3).map(lambda n: n * (1 << 62) + n)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 5))


@st.composite
def tables(draw):
    n_rows, n_columns = draw(sizes)
    return [[draw(values) for _ in range(n_columns)] for _ in range(n_rows)]


@given(tables())
def test_no_assignment_is_worth_more(table):
    columns = best_assignment(table)
    assigned = [column for column in columns if column >= 0]
    assert len(set(assigned)) == len(assigned) == min(len(table), len(table[0]))
    value = sum(row[column] for row, column in zip(table, columns) if column >= 0)
    wide = table if len(table) <= len(table[0]) else list(zip(*table))
    assert value == max(
        sum(row[column] for row, column in zip(wide, chosen))
        for chosen in permutations(range(len(wide[0])), len(wide))
    )
