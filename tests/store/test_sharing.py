"""Whose a store is: a private one is its user's alone, a shared one has a marker that only its owner can make."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from procache import digests
from procache.errors import StoreError, UsageError
from procache.store import blobs, journal, sharing, usage
from procache.store.layout import Layout

ROOT = Path(__file__).resolve().parent.parent.parent
OTHER = 65534
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")


def mode(path: Path | bytes) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    """A umask that would spoil a shared store."""
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.fixture
def shared(tmp_path: Path, umask: None) -> Layout:
    """A shared store."""
    layout = Layout(os.fsencode(tmp_path / "team"))
    sharing.create(layout, os.getegid())
    return layout


def test_all_that_is_in_a_shared_store_is_the_groups_whatever_the_umask(shared: Layout) -> None:
    shared.prepare()
    assert shared.shared
    digest = digests.of_bytes(b"content")
    blobs.put(shared, digest, b"content")
    usage.append(shared, (1, 0, 0, 0))
    journal.write(shared.runs + b"/1.journal", b"x", shared=True)
    top = Path(os.fsdecode(shared.top))
    modes = {path.name: mode(path) for path in top.rglob("*")}
    assert {mode(path) for path in (top / "v2/records").rglob("*") if path.is_dir()} == {0o2770}
    assert {mode(path) for path in (top / "v2/blobs").rglob("*") if path.is_file()} == {0o660}
    assert {mode(path) for path in (top / "v2/records").rglob(".lock")} == {0o660}
    assert (modes["runs"], modes["tmp"], modes["usage"], modes["lock"]) == (0o3770, 0o3770, 0o660, 0o660)
    assert (mode(top), modes["procache-shared"], modes["1.journal"]) == (0o3770, 0o440, 0o640)
    assert not [path for path in top.rglob("*") if mode(path) & 0o007]


def test_a_private_store_is_its_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        layout = Layout(os.fsencode(tmp_path / "own"))
        layout.prepare()
        blobs.put(layout, digests.of_bytes(b"content"), b"content")
        journal.write(layout.runs + b"/1.journal", b"x")
    finally:
        os.umask(old)
    assert not layout.shared
    assert not [path for path in (tmp_path / "own").rglob("*") if mode(path) & 0o077]


def test_only_an_empty_folder_becomes_a_shared_store(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        sharing.create(Layout(os.fsencode(tmp_path / "team")), os.getegid())
    assert mode(tmp_path / "team") & 0o020 == 0


def refused(layout: Layout) -> str:
    """Why a store is not used."""
    with pytest.raises(StoreError) as caught:
        Layout(layout.top).prepare()
    return str(caught.value)


def test_a_shared_store_that_everybody_may_write_to(shared: Layout) -> None:
    os.chmod(shared.top, 0o3777)
    assert "chmod o-w" in refused(shared)


def test_a_folder_that_a_group_may_write_to_is_none_without_the_marker(shared: Layout) -> None:
    os.unlink(shared.top + sharing.MARKER)
    assert "chmod go-w" in refused(shared)


@pytest.mark.parametrize("what", ["a link", "writable", "a folder"])
def test_a_marker_that_the_owner_cannot_have_made(shared: Layout, what: str) -> None:
    marker = shared.top + sharing.MARKER
    if what == "writable":
        os.chmod(marker, 0o460)
    else:
        os.unlink(marker)
        os.mkdir(marker) if what == "a folder" else os.symlink("/etc/hostname", marker)
    assert "its marker is not the owner's" in refused(shared)


@NEEDS_ROOT
def test_a_marker_that_somebody_else_has_planted(shared: Layout) -> None:
    os.chown(shared.top + sharing.MARKER, OTHER, -1)
    assert "its marker is not the owner's" in refused(shared)


def test_a_folder_that_everybody_may_replace(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    layout = Layout(os.fsencode(tmp_path / "open" / "cache"))
    assert "everybody may replace" in refused(layout)
    (tmp_path / "open").chmod(0o1777)
    layout.prepare()


def test_a_link_of_ones_own_may_lead_to_the_store(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir(mode=0o700)
    (tmp_path / "cache").symlink_to("big")
    Layout(os.fsencode(tmp_path / "cache")).prepare()
    assert (tmp_path / "big" / "v2").is_dir()


@NEEDS_ROOT
def test_a_link_of_somebody_else_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big").mkdir(mode=0o700)
    os.chown(tmp_path / "big", OTHER, -1)
    (tmp_path / "cache").symlink_to("big")
    os.lchown(tmp_path / "cache", OTHER + 1, -1)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    assert "is a link that another user" in refused(Layout(os.fsencode(tmp_path / "cache")))
    assert list((tmp_path / "big").iterdir()) == []


@NEEDS_ROOT
def test_a_shared_store_of_another_user_is_not_taken_from_where_anybody_can_put_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drop").mkdir()
    layout = Layout(os.fsencode(tmp_path / "drop" / "team"))
    sharing.create(layout, os.getegid())
    for path in (layout.top, layout.top + sharing.MARKER):
        os.chown(path, OTHER, -1)
    os.chmod(layout.top, sharing.STICKY)
    (tmp_path / "drop").chmod(0o1777)
    assert "everybody may put one" in refused(layout)
    (tmp_path / "drop").chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_mode & 0o002:
            monkeypatch.setattr(sharing, "_check_place", lambda *_: None)
    layout.prepare()
    assert layout.shared


def procache(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "procache", *words]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_verb(tmp_path: Path) -> None:
    made = procache("store", "create", "--shared", "--group", str(os.getegid()), "team", cwd=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert f"for all members of group {os.getegid()}" in made.stdout
    for expected in ("0 hit, 1 run", "1 hit, 0 run"):
        ran = procache("run", "-v", "--cache-dir", "team", "--", "sh", "-c", "echo out > file", cwd=tmp_path)
        assert expected in ran.stderr
    [record] = [path for path in (tmp_path / "team/v2/records").rglob("x*") if path.is_file()]
    assert mode(record) == 0o660
    again = procache("store", "create", "--shared", "team", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    wrong = procache("store", "create", "--shared", "--group", "no-such-group", "other", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (2, "procache: there is no group 'no-such-group'\n")
    assert not (tmp_path / "other").exists()
    own = procache("store", "create", "own", cwd=tmp_path)
    assert "for you alone" in own.stdout
    assert mode(tmp_path / "own") == 0o700


def test_rights_are_not_taken_from_a_shared_store(tmp_path: Path) -> None:
    procache("store", "create", "--shared", "team", cwd=tmp_path)
    command = ("run", "-v", "--cache-dir", "team", "--", "sh", "-c", "echo out > file; chmod 4755 file")
    for _ in range(2):
        (tmp_path / "file").unlink(missing_ok=True)
        assert "1 hit" not in procache(*command, cwd=tmp_path).stderr
        assert mode(tmp_path / "file") == 0o4755, "of the real run"
    said = procache("explain", "--cache-dir", "team", cwd=tmp_path).stdout
    assert "shared store is not believed" in said
