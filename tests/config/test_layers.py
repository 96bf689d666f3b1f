"""Sources one over the other: later wins per key, lists can go on from what was there, and mistakes are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procache.config import layers, settings, sources
from procache.config.layers import Settings
from procache.errors import UsageError
from procache.model.policy import NEVER_CACHED, Policy
from procache.store.layout import Layout


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a project of their own; no variable of procache is set."""
    for name in [name for name in os.environ if name.startswith("PROCACHE_")]:
        monkeypatch.delenv(name)
    home, project = tmp_path / "home", tmp_path / "project" / "below"
    home.mkdir()
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(project)
    return tmp_path


def user(text: str) -> None:
    path = Path(sources.user_file())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def loaded(explicit: str | None = None) -> Settings:
    return layers.load(None, sources.files(explicit), sources.variables())


def complaint(explicit: str | None = None) -> str:
    with pytest.raises(UsageError) as error:
        loaded(explicit)
    return str(error.value)


def test_without_any_source_everything_is_built_in() -> None:
    found = loaded()
    assert set(found.origins.values()) == {"built in"}
    made, plain = layers.policy(found), Policy()
    for name in Policy.__slots__:
        assert getattr(made, name) == getattr(plain, name), name


def test_every_key_has_a_built_in_value_and_the_other_way_round() -> None:
    assert set(settings.built_in()) == set(settings.SETTINGS)


def test_later_sources_win_key_by_key(surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, explicit = surroundings / "project" / "procache.toml", surroundings / "explicit.toml"
    user("min_runtime = 1\nonly_success = true\nalready_done = 'hit'\nnever_skipped = ['one']\n")
    project.write_text("# ours\nmin_runtime = 2\nonly_success = false\nalready_done = 'run'\n")
    explicit.write_text("\nmin_runtime = 3\n\nonly_success = true\n")
    monkeypatch.setenv("PROCACHE_MIN_RUNTIME", "4.5")
    found = loaded(str(explicit))
    assert (found.values["min_runtime"], found.origins["min_runtime"]) == (4.5, "variable PROCACHE_MIN_RUNTIME")
    assert (found.values["only_success"], found.origins["only_success"]) == (True, f"{explicit}, line 4")
    assert (found.values["already_done"], found.origins["already_done"]) == ("run", f"{project}, line 4")
    assert found.origins["never_skipped"] == f"{sources.user_file()}, line 4"
    assert found.origins["never_cached"] == "built in"


def test_the_nearest_project_file_is_the_one(surroundings: Path) -> None:
    (surroundings / "procache.toml").write_text("min_runtime = 1\n")
    (surroundings / "project" / "procache.toml").write_text("only_success = true\n")
    found = loaded()
    assert (found.values["min_runtime"], found.values["only_success"]) == (0.0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_project_file_of_somebody_else_is_passed_over(surroundings: Path) -> None:
    (surroundings / "procache.toml").write_text("min_runtime = 1\n")
    planted = surroundings / "project" / "procache.toml"
    planted.write_text("min_runtime = 2\n")
    os.chown(planted, 12345, 12345)
    assert loaded().values["min_runtime"] == 1


def test_a_list_replaces_goes_on_and_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    user("never_skipped = ['one', 'two']\nnever_cached = ['...', 'mine', '!w']\n")
    assert loaded().values["never_skipped"] == ("one", "two")
    monkeypatch.setenv("PROCACHE_NEVER_SKIPPED", "...:three:!one")
    found = loaded()
    assert found.values["never_skipped"] == ("two", "three")
    made = layers.policy(found)
    assert made.never_cached == (NEVER_CACHED | {b"mine"}) - {b"w"}
    assert b"w" in NEVER_CACHED


def test_paths_begin_in_the_folder_of_their_file_and_have_no_links(surroundings: Path) -> None:
    (surroundings / "link").symlink_to("project")
    user(f"ignored_paths = ['~/log', 'x*', '{surroundings}/link/a/../b/*.o', '/']\n")
    home = surroundings / "home"
    assert loaded().values["ignored_paths"] == (
        f"{home}/log",
        f"{home}/.config/procache/x*",
        f"{surroundings}/project/b/*.o",
        "/",
    )


WRONG = {
    "only_succes = true": "line 1: there is no key 'only_succes'; did you mean only_success?",
    "\n\n[paths]\nignored = []": "line 3: there is no key 'paths'; did you mean ignored_paths?",
    "zzz = 1": "line 1: there is no key 'zzz'; there are ignored_env, mtime_sensitive",
    "# x\nonly_success = 1": "line 2: only_success must be true or false, not 1",
    "min_runtime = -1": "line 1: min_runtime must be seconds, 0 or more, not -1",
    "min_runtime = nan": "line 1: min_runtime must be seconds, 0 or more, not nan",
    "min_runtime = true": "line 1: min_runtime must be seconds",
    "min_runtime = 2020-01-01": "line 1: min_runtime must be seconds",
    "already_done = 'maybe'": "line 1: already_done must be 'run' or 'hit', not 'maybe'",
    "ignored_env = 'A'": "line 1: ignored_env must be a list of strings",
    "ignored_env = ['A', 1]": "line 1: ignored_env must be a list of strings",
    "ignored_env = [\n  'A=1']": "line 1: ignored_env must be names of variables",
    "ignored_env = ['*']": "ignored_env must be names of variables",
    "ignored_env = ['A*B']": "ignored_env must be names of variables",
    "never_cached = ['/bin/date']": "line 1: never_cached must be names of programs without a folder, not '/bin/date'",
    "strict_exempt = ['a:getpid', 'b:fork']": "line 1: strict_exempt must be programs, or program:call with one of",
    "strict_exempt = [':getpid']": "line 1: strict_exempt must be names of programs",
    "verify = 101": "line 1: verify must be a percentage from 0 to 100, not 101",
    "max_variants = 0": "line 1: max_variants must be a whole number from 1 to 1000000, not 0",
    "max_variants = 2.5": "max_variants must be a whole number",
    "max_variants = true": "max_variants must be a whole number",
    "digest = 'md5'": "line 1: digest must be 'xxh3' or 'blake3', not 'md5'",
    "ignored_paths = ['']": "ignored_paths must be paths",
    "ignored_paths = ['/a/*/../b']": "ignored_paths must be patterns without .. behind a wildcard",
    "never_cached = [": "(at ",
    "\nnever_cached = []\nnever_cached = []": "(at line 3",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_with_its_place(text: str) -> None:
    user(text)
    said = complaint()
    assert said.startswith(sources.user_file())
    assert WRONG[text] in said


def test_a_file_that_is_no_text(surroundings: Path) -> None:
    Path(sources.user_file()).parent.mkdir(parents=True)
    Path(sources.user_file()).write_bytes(b"\n# \xff\n")
    assert complaint() == f"{sources.user_file()}, line 2: not UTF-8"


def test_a_named_file_must_be_there(surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none.toml does not exist" in complaint("none.toml")
    monkeypatch.setenv("PROCACHE_CONFIG", "absent.toml")
    assert "absent.toml does not exist" in complaint()


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCACHE_MIN_RUNTIMES", "1")
    assert "no setting for the variable PROCACHE_MIN_RUNTIMES; did you mean PROCACHE_MIN_RUNTIME?" in complaint()
    monkeypatch.delenv("PROCACHE_MIN_RUNTIMES")
    monkeypatch.setenv("PROCACHE_ONLY_SUCCESS", "perhaps")
    assert complaint() == "variable PROCACHE_ONLY_SUCCESS: only_success must be true or false, not 'perhaps'"


def test_variables_that_are_no_keys_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCACHE_DIR", "/somewhere")
    monkeypatch.setenv("PROCACHE_TEST_CMD", "x")
    assert set(loaded().origins.values()) == {"built in"}


def test_a_file_is_parsed_once_and_anew_when_it_changes(surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(os.fsencode(surroundings / "cache"))
    layout.prepare()
    parsed: list[str] = []
    parse = layers.toml.parse
    monkeypatch.setattr(layers.toml, "parse", lambda path, data: parsed.append(path) or parse(path, data))  # type: ignore[func-returns-value]

    def min_runtime() -> object:
        return layers.load(layout, sources.files(None), {}).values["min_runtime"]

    user("min_runtime = 1\n")
    assert [min_runtime(), min_runtime(), len(parsed)] == [1, 1, 1]
    user("min_runtime = 2\n")
    assert [min_runtime(), min_runtime(), len(parsed)] == [2, 2, 2]
    for name in os.listdir(layout.configs):
        Path(os.fsdecode(layout.configs), os.fsdecode(name)).write_bytes(b"damaged")
    assert [min_runtime(), min_runtime(), len(parsed)] == [2, 2, 3]
