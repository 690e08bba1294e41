"""Files and folders that appear whole or not at all."""

import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from spacy_bilstm_crf.common.errors import UserError
from spacy_bilstm_crf.common.files import (
    check_file,
    locked,
    save_folder,
    write_whole,
    written_whole,
)


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "one ä")
    assert path.read_bytes() == "one ä".encode()
    with pytest.raises(RuntimeError), written_whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text(encoding="utf8") == "one ä"
    assert list(tmp_path.iterdir()) == [path]


def test_two_that_write_the_same_file_do_not_mix(tmp_path):
    path = tmp_path / ("x" * 250)  # a name of 255 bytes is the longest
    with written_whole(path) as one, written_whole(path) as other:
        one.write_text("one, and more of it")
        other.write_text("other")
    assert path.read_text() == "one, and more of it"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_one(tmp_path):
    path = tmp_path / "folder"
    for content in ("one", "two"):
        with written_whole(path) as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert [file.name for file in path.iterdir()] == ["two"]


def test_a_folder_that_can_not_be_saved_leaves_the_old_one(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("mine")

    def fails(folder):
        folder.mkdir()
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"No space left on device\. Existing files are unchanged"):
        save_folder(fails, tmp_path / "kept")
    assert (tmp_path / "kept" / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


SAVE = """
import sys, time
from pathlib import Path
from spacy_bilstm_crf.common.files import save_folder

def slow(folder):
    folder.mkdir()
    (folder / "file").write_text("half")
    print("begun", flush=True)
    time.sleep(60)

save_folder(slow, Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="knows no locks of folders")
def test_what_killed_processes_left_is_removed_the_next_time(tmp_path):
    output = tmp_path / "model"
    (tmp_path / ".model-backupAB").mkdir()
    (tmp_path / ".model-backupAB" / "mine").write_text("")
    processes = [
        subprocess.Popen([sys.executable, "-c", SAVE, output], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == b"begun\n"
        processes[0].kill()
        processes[0].wait()
        assert len(list(tmp_path.glob(".model-*/new"))) == 2
        save_folder(Path.mkdir, output)
        assert len(list(tmp_path.glob(".model-*/new"))) == 1  # of the one that still runs
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    save_folder(Path.mkdir, output)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".model-backupAB", "model"]


def test_the_only_pipeline_that_there_is_stays(tmp_path):
    """Where folders can't be exchanged, a kill may come between two renames."""
    old = tmp_path / ".model-abcdefgh" / "old"
    old.mkdir(parents=True)
    save_folder(Path.mkdir, tmp_path / "model")
    assert old.exists()


def test_a_file_that_is_read_is_not_written(tmp_path):
    (tmp_path / "data").write_text("mine")
    with pytest.raises(UserError, match="is an input file"):
        check_file(tmp_path / "data", force=True, read=[None, tmp_path / "x" / ".." / "data"])
    with pytest.raises(UserError, match=r"exists\. Replace it with --force"):
        check_file(tmp_path / "data", force=False)
    check_file(tmp_path / "data", force=True)


@pytest.mark.parametrize("system", [sys.platform, "darwin", "win32", "an old C library"])
def test_a_folder_is_replaced_whatever_the_system_can_do(system, tmp_path, monkeypatch):
    def save(content):
        def to_disk(folder):
            folder.mkdir()
            (folder / content).touch()

        save_folder(to_disk, tmp_path / "model")

    if system == "an old C library":
        monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    else:
        monkeypatch.setattr(sys, "platform", system)
    if system == "win32":
        monkeypatch.setitem(sys.modules, "fcntl", None)  # can't be imported
    save("one")
    save("two")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["two"]


@pytest.mark.skipif(sys.platform == "win32", reason="knows no locks of folders")
def test_a_folder_is_locked_for_others(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(UserError, match="Another run is writing"),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_where_there_are_no_locks_of_folders_nobody_is_kept_out(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path), locked(tmp_path):
        pass
