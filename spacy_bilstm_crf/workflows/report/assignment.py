"""The assignment problem: which rows to pair with which columns, for the highest total value."""

from collections.abc import Sequence


def best_assignment(values: Sequence[Sequence[int]]) -> list[int]:
    """Assign to each row a column of its own, for the highest sum of values.

    The Hungarian algorithm with shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987).
    With n rows and m columns, or the other way round, it takes n * n * m steps. The values are
    whole numbers of any size, and the sum is exact.

    Args:
        values: The value of each row with each column, at least 0.

    Returns:
        The column of each row; -1 for a row without one, if there are fewer columns.
    """
    if len(values) > len(values[0]):
        row_of = best_assignment(list(zip(*values)))
        columns = [-1] * len(values)
        for column, row in enumerate(row_of):
            columns[row] = column
        return columns
    n_columns = len(values[0])
    of_column = [-1] * (n_columns + 1)  # row of each column; the last one stands for the new row
    prices: tuple[list[int], list[int]] = ([0] * len(values), [0] * (n_columns + 1))
    for row in range(len(values)):
        of_column[-1] = row
        _augment(values, of_column, prices)
    columns = [-1] * len(values)
    for column, row in enumerate(of_column[:-1]):
        if row >= 0:
            columns[row] = column
    return columns


def _augment(
    values: Sequence[Sequence[int]], of_column: list[int], prices: tuple[list[int], list[int]]
) -> None:
    """Give a column to the row that the last column stands for; other rows may change theirs.

    Args:
        values: The value of each row with each column.
        of_column: The row of each column, or -1. Changed in place.
        prices: A price of each row and of each column. The two of a pair add up to at most minus
            its value, and to just that if the pair is assigned. Changed in place.
    """
    of_rows, of_columns = prices
    n_columns = len(of_column) - 1
    slack = [0] * n_columns
    before = [-1] * n_columns  # column that a column is reached from
    reached = [n_columns]
    free = set(range(n_columns))
    column = n_columns
    while of_column[column] >= 0:
        row = of_column[column]
        for other in free:
            cost = -values[row][other] - of_rows[row] - of_columns[other]
            if before[other] < 0 or cost < slack[other]:
                slack[other], before[other] = cost, column
        nearest = min(free, key=lambda other: (slack[other], other))
        step = slack[nearest]
        for other in reached:
            of_rows[of_column[other]] += step
            of_columns[other] -= step
        for other in free:
            slack[other] -= step
        free.remove(nearest)
        reached.append(nearest)
        column = nearest
    while column != n_columns:
        of_column[column] = of_column[before[column]]
        column = before[column]
