"""What tables say of the runs that they are made of."""

from benchmarks.data_size import A_TENTH, size_of
from benchmarks.harness import tables
from benchmarks.harness.results import summary

RECORDED, UNRECORDED = {"processor": "Some CPU"}, {"seed": 0}


def test_rows_without_a_recorded_processor_are_marked():
    assert tables.unrecorded([RECORDED, {"runs": [RECORDED]}]) == ""
    for results in ([RECORDED, UNRECORDED], [{"runs": [RECORDED, UNRECORDED]}]):
        assert tables.unrecorded(results) == f" {tables.UNRECORDED}"
        below = tables.measured(results)
        assert (
            f"Some CPU; not recorded for some or all runs of a row with {tables.UNRECORDED}."
            in below
        )
    assert "Processor: not recorded for" in tables.measured([UNRECORDED])
    assert "not recorded" not in tables.measured([RECORDED])


def test_one_and_two_seeds_are_told():
    for values, written in (
        ([1.0], "1.0 (1 seed)"),
        ([1.0, 1.0], "1.0 ± 0.0 (2 seeds)"),
        ([1.0, 1.0, 1.0], "1.0 ± 0.0"),
    ):
        assert tables.with_seeds(summary(values), len(values)) == written


def test_a_part_of_a_corpus_is_not_called_all():
    runs = [{"sentences": 5999}]
    assert size_of(("german-ler", 0), runs) == "5,999, a tenth"
    assert size_of(("wnut17", 0), runs) == "5,999, all"
    assert size_of(("german-ler", 200), runs) == "5,999"
    assert "a tenth of the corpus" in A_TENTH
