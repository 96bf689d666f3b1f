"""Folders: made, listed, renamed, removed; and names that come and go in them. Hard links."""

from __future__ import annotations

import stat

import pytest

from procache.model.aspects import LISTING
from procache.model.execution import Execution

from .conftest import filled
from .machine import Machine
from .script import differing, do, effects, meddle


def run(machine: Machine, text: str) -> Execution:
    """One execution that does what the script says."""
    ex = machine.start()
    do(machine, ex, text)
    assert not ex.taints
    return ex


def listing_of(machine: Machine, ex: Execution, name: str) -> object:
    """The digest of a folder's entries as a fact."""
    return ex.extras[(machine.path(name), LISTING)]


def test_a_folder_made_and_filled_is_no_input(machine: Machine, before: Machine) -> None:
    ex = run(machine, "mkdir /new; list /new; stat /new/x; put /new/x text; list /new; read /new/x")
    assert machine.facts(ex) == {"/new": "absent"}
    assert effects(machine, ex) == {"/new": "folder", "/new/x": "file text in place"}
    assert differing(machine, ex, "mkdir /new", before=before) == ["/new absent"]


@pytest.mark.parametrize("change", ["put /d/y y", "unlink /d/x", "rename /d/x /d/y", "unlink /d/x; mkdir /d/x"])
def test_a_listing_is_an_input(machine: Machine, before: Machine, change: str) -> None:
    ex = run(machine, "list /d")
    assert differing(machine, ex, before=before) == []
    assert differing(machine, ex, change, before=before) == ["/d listing"]


def test_a_listing_does_not_depend_on_what_the_files_hold(machine: Machine, before: Machine) -> None:
    ex = run(machine, "list /d")
    assert differing(machine, ex, "put /d/x other; chmod /d/x 600", before=before) == []


OWN = {
    "created": "put /d/new text; list /d",
    "removed": "unlink /d/x; list /d",
    "renamed": "rename /d/x /d/new; list /d",
    "created and removed": "put /d/new text; unlink /d/new; list /d",
    "removed and made anew": "unlink /d/x; put /d/x again; list /d",
    "a folder where a file was": "unlink /d/x; mkdir /d/x; list /d",
}


@pytest.mark.parametrize("name", OWN)
def test_a_listing_shows_the_folder_as_it_was_before_own_changes(machine: Machine, before: Machine, name: str) -> None:
    ex = run(machine, OWN[name])
    assert listing_of(machine, ex, "/d") == before.world.extra(LISTING, b"/d")
    assert "/d listing" in differing(machine, ex, "put /d/other x", before=before)


def test_a_listing_before_own_changes_is_the_same_fact(machine: Machine, before: Machine) -> None:
    ex = run(machine, "list /d; put /d/new text; list /d")
    assert listing_of(machine, ex, "/d") == before.world.extra(LISTING, b"/d")


@pytest.mark.parametrize("act", ["chmod /d 700", "utime /d 9"])
def test_a_folder_of_which_only_attributes_were_set_is_still_listed(
    machine: Machine, before: Machine, act: str
) -> None:
    ex = run(machine, f"{act}; list /d")
    assert differing(machine, ex, "put /d/other x", before=before) == ["/d listing"]


def test_a_folder_that_is_removed_was_empty(machine: Machine, before: Machine) -> None:
    ex = run(machine, "rmdir /empty")
    assert effects(machine, ex) == {"/empty": "removed"}
    assert differing(machine, ex, "chmod /empty 700", before=before) == []
    assert differing(machine, ex, "put /empty/x x", before=before) == ["/empty listing"]
    assert differing(machine, ex, "rmdir /empty", before=before) == ["/empty type", "/empty listing"]


@pytest.mark.parametrize("act", ["rmdir /d", "rename /empty /d"])
def test_a_folder_that_is_not_empty_is_not_changed(machine: Machine, before: Machine, act: str) -> None:
    ex = run(machine, act)
    assert "/d" not in effects(machine, ex)
    assert "/d listing" in differing(machine, ex, "unlink /d/x", before=before)


@pytest.mark.parametrize("act", ["rename /empty /old", "rename /old /empty"])
def test_a_rename_over_another_type_changes_nothing(machine: Machine, before: Machine, act: str) -> None:
    ex = run(machine, act)
    assert effects(machine, ex) == {}
    assert differing(machine, ex, "unlink /old", before=before)
    assert differing(machine, ex, "rmdir /empty", before=before)


def test_a_folder_renamed_over_nothing_depends_on_nothing_being_there(machine: Machine, before: Machine) -> None:
    ex = run(machine, "rename /empty /new")
    assert differing(machine, ex, "put /new x", before=before) == ["/new absent"]


def test_a_renamed_folder_takes_along_what_is_in_it(machine: Machine, before: Machine) -> None:
    ex = run(machine, "rename /d /moved; read /moved/x; list /moved; stat /moved/y; stat /d")
    assert effects(machine, ex) == {
        "/d": "removed",
        "/d/x": "removed",
        "/moved": "folder",
        "/moved/x": "file x",
    }
    assert machine.facts(ex)["/d/x"] == "content+time xattr"
    assert not [name for name in machine.facts(ex) if name.startswith("/moved/") and name != "/moved/x"]
    for change in ("put /d/x other", "put /d/y y", "utime /d/x 9"):
        assert differing(machine, ex, change, before=before), change


def test_a_renamed_folder_of_folders(machine: Machine) -> None:
    meddle(machine, "mkdir /d/e; put /d/e/z z")
    ex = run(machine, "rename /d /moved; put /moved/e/z new")
    assert effects(machine, ex)["/moved/e/z"] == "file new"
    assert effects(machine, ex)["/d/e/z"] == "removed"
    assert machine.facts(ex)["/d/e/z"] == "content+time xattr"


def test_a_folder_of_the_old_name_made_anew_is_its_own(machine: Machine, before: Machine) -> None:
    ex = run(machine, "rename /d /moved; mkdir /d; put /d/x other; read /d/x")
    assert effects(machine, ex)["/d/x"].startswith("file other")
    assert differing(machine, ex, before=before) == []


def test_an_exchange_reads_and_changes_both(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    tree, world = machine.tree, machine.world
    tree.move(ex, b"/in", world.look(b"/in"), b"/old", world.look(b"/old"), exchange=True)
    world.nodes[b"/in"], world.nodes[b"/old"] = world.nodes[b"/old"], world.nodes[b"/in"]
    assert effects(machine, ex) == {"/in": "file output", "/old": "file input"}
    assert differing(machine, ex, "put /old other", before=before) == ["/old content"]


def test_an_exchange_of_a_file_and_a_folder_takes_along_what_is_in_it(machine: Machine, before: Machine) -> None:
    ex = machine.start()
    machine.tree.move(ex, b"/in", machine.world.look(b"/in"), b"/d", machine.world.look(b"/d"), exchange=True)
    meddle(machine, "rename /in /tmp; rename /d /in; rename /tmp /d")
    assert effects(machine, ex) == {"/in": "folder", "/in/x": "file x", "/d": "file input", "/d/x": "removed"}
    assert machine.facts(ex)["/d/x"] == "content+time xattr"
    assert differing(machine, ex, "put /d/x other", before=before) == ["/d/x content"]


def test_a_new_name_for_an_input_is_a_hard_link(machine: Machine, before: Machine) -> None:
    ex = run(machine, "link /in /second")
    assert effects(machine, ex) == {"/second": "hard link"}
    assert machine.facts(ex) == {"/in": "content", "/second": "absent"}
    assert differing(machine, ex, "put /in other", before=before) == ["/in content"]


def test_two_names_for_an_output(machine: Machine) -> None:
    ex = run(machine, "put /out text; link /out /second")
    assert effects(machine, ex) == {"/out": "file text in place", "/second": "hard link"}


def test_the_number_of_links_counts_for_who_looked_at_it(machine: Machine, before: Machine) -> None:
    reads, stats = run(machine, "read /in"), run(machine, "stat /in")
    assert differing(machine, reads, "link /in /second", before=before) == []
    assert differing(machine, stats, "link /in /second", before=before) == ["/in meta"]


@pytest.mark.parametrize("order", ["stat /in; read /in", "read /in; stat /in"])
def test_the_number_of_links_counts_in_any_order(machine: Machine, before: Machine, order: str) -> None:
    ex = run(machine, order)
    assert differing(machine, ex, "link /in /second", before=before) == ["/in content"]


def test_a_folder_that_was_filled_is_told_by_its_mode_alone(before: Machine) -> None:
    machine = filled()
    ex = machine.start(timed=True)
    do(machine, ex, "put /d/new text; stat /d")
    mode = machine.world.look(b"/d").st_mode
    assert stat.S_ISDIR(mode)
    assert differing(machine, ex, "utime /d 9", before=before) == []
    assert differing(machine, ex, "chmod /d 700", before=before) == ["/d owner"]
