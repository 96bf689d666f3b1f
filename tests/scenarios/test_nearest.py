"""A command that is new is told beside the one that was nearest before: what must be undone to have its result."""

from __future__ import annotations

import json

from .lab import Lab


def test_a_variable_that_was_set_is_named(lab: Lab) -> None:
    lab.write("in", "b\na\n")
    lab.run(["sort", "in"])
    lab.env["FLAVOUR"] = "sweet"
    lab.run(["sort", "in"])
    assert b"environment: FLAVOUR: set only now" in lab.raw(["explain"]).out
    lab.env["FLAVOUR"] = "sour"
    assert b"environment: FLAVOUR: another value" in lab.raw(["explain", "--", "sort", "in"]).out
    lab.run(["sort", "in"])
    del lab.env["FLAVOUR"]
    lab.env["OTHER"] = "1"
    assert b"set only when recorded" in lab.raw(["explain", "--", "sort", "in"]).out


def test_an_option_that_was_changed_is_named(lab: Lab) -> None:
    lab.write("in", "b\na\n")
    lab.run("echo")  # shorter, and further away
    lab.run("sort in > out")
    lab.run("wc in")
    lab.run("sort -r in > out")
    told = lab.raw(["explain"]).out
    assert b"the nearest that was recorded: sh -c 'sort in > out'" in told
    assert b"arguments: recorded (sh, -c, sort in > out), now (sh, -c, sort -r in > out)" in told


def test_the_first_run_of_all_has_no_nearest(lab: Lab) -> None:
    lab.write("in", "b\na\n")
    lab.run("sort in; sort -r in")
    assert b"nearest" not in lab.raw(["explain"]).out


def test_json_has_the_nearest_command(lab: Lab) -> None:
    lab.run(["echo", "one"])
    lab.run(["echo", "two"])
    root = json.loads(lab.raw(["explain", "--json"]).out)["executions"][0]
    assert root["nearest"]["argv"] == ["echo", "one"]
    assert [item["aspect"] for item in root["nearest"]["differences"]] == ["arguments"]
