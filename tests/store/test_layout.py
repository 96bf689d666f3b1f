"""The cache folder: found where it was asked for, private, and nobody else's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from procache import digests
from procache.errors import StoreError
from procache.store import blobs
from procache.store.layout import VERSION, Layout, locate


def layout_in(path: Path) -> Layout:
    """The layout of a cache folder."""
    return Layout(os.fsencode(path))


def test_everything_is_made_and_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        layout_in(tmp_path / "new" / "cache").prepare()
    finally:
        os.umask(old)
    cache = tmp_path / "new" / "cache"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert {path.name for path in (cache / "v2").iterdir()} == {"records", "blobs", "runs", "tmp"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in (cache / "v2").iterdir())


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / "cache")
    layout.prepare()
    (tmp_path / "cache" / "v2" / "records" / "kept").write_text("x")
    layout.prepare()
    assert (tmp_path / "cache" / "v2" / "records" / "kept").read_text() == "x"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o720])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(StoreError, match="chmod go-w"):
        layout_in(cache).prepare()
    assert list(cache.iterdir()) == []


def test_a_folder_that_others_may_only_read_is_taken(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    layout_in(tmp_path / "cache").prepare()


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout_in(tmp_path / "cache").prepare()
    monkeypatch.setattr(os, "geteuid", lambda: 987654)
    with pytest.raises(StoreError, match="another user"):
        layout_in(tmp_path / "cache").prepare()


@pytest.mark.parametrize("name", ["file", "file/cache", "loop"])
def test_what_cannot_be_a_folder_is_refused_with_a_next_step(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StoreError, match="--cache-dir"):
        layout_in(tmp_path / name).prepare()


def test_the_format_is_in_the_name_of_the_folder(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    for path in (layout.records, layout.blobs, layout.runs, layout.tmp, layout.memo):
        assert path.startswith(os.fsencode(tmp_path) + b"/" + VERSION + b"/")


def test_digests_of_two_algorithms_do_not_share_a_blob(tmp_path: Path) -> None:
    layout, digest = layout_in(tmp_path), digests.of_bytes(b"content")
    assert blobs.path_of(layout, digest) != blobs.path_of(layout, b"b" + digest[1:])
    folder, name = digest[1:2].hex().encode(), digest[1:].hex().encode()
    assert layout.record(digest) == layout.records + b"/%b/x%b" % (folder, name)


PLACES = [
    ({"PROCACHE_DIR": "/p", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/given", "/given"),
    ({"PROCACHE_DIR": "/p", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, None, "/p"),
    ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, None, "/x/procache"),
    ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, None, "/h/.cache/procache"),
    ({"PROCACHE_DIR": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, None, "/h/.cache/procache"),
]


@pytest.mark.parametrize(("environment", "option", "expected"), PLACES)
def test_where_it_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], option: str | None, expected: str
) -> None:
    for name in ("PROCACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert locate(option).top == expected.encode()


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("some/cache").top == os.fsencode(tmp_path / "some" / "cache")


def test_a_damaged_file_is_set_aside_not_lost(tmp_path: Path) -> None:
    layout = layout_in(tmp_path / "cache")
    layout.prepare()
    path = Path(os.fsdecode(layout.blobs)) / "bad"
    path.write_bytes(b"bad")
    layout.set_aside(os.fsencode(path))
    assert not path.exists()
    assert [name for name in os.listdir(layout.tmp) if b"bad" in name]
    layout.set_aside(os.fsencode(path))  # gone already
