"""The command line: exit statuses, errors in one line, output that somebody stops reading."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.__main__ import COMMANDS, main
from agent.errors import LogBroken, LogFull, SettingsError
from tests.servers.agent import ROOT


def vanpulse(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("VANPULSE_")}
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        cwd=cwd,
        env=own | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], status: int, said: str) -> None:
    assert result.returncode == status, result.stderr
    assert result.stdout == ""
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("vanpulse: ")


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: vanpulse")


@pytest.mark.parametrize("words", [[], ["fly"], ["run", "--fast"], ["export"], ["run", "now"]])
def test_wrong_usage_is_said_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("vanpulse")
    assert line.endswith("--help")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("vanpulse ")


def test_settings_that_are_fine(tmp_path: Path) -> None:
    result = vanpulse("check-config", cwd=tmp_path)
    assert result.returncode == 0
    assert "settings are valid" in result.stdout
    assert not (tmp_path / "data").exists()  # it only looks


def test_a_wrong_setting(tmp_path: Path) -> None:
    result = vanpulse("check-config", cwd=tmp_path, VANPULSE_MQTT__KEEPALIVE_S="1")
    assert_one_line(result, 2, "mqtt.keepalive_s = '1'")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VANPULSE_MQTT__URL", "http://127.0.0.1"),
        ("VANPULSE_MQTT__URL", "mqtt://127.0.0.1:99999"),
        ("VANPULSE_MQTT__URL", "mqtt://user:secret@127.0.0.1"),
        ("VANPULSE_MQTT__PASSWORD", "without a user name"),
        ("VANPULSE_LIVE__TIMEZONE", "Nowhere"),
        ("VANPULSE_STORE__URL", "sqlite:///."),
    ],
)
def test_check_config_refuses_what_the_daemon_and_the_live_page_would(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    assert main(["check-config"]) == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith(f"vanpulse: {variable.removeprefix('VANPULSE_').replace('__', '.').lower()}")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("depots", "told"), [("", []), ("[depots.north]\n", ["nrth", "south"]), ("[depots.nrth]\n[depots.south]\n", [])]
)
def test_check_config_points_at_depots_that_have_no_entry(tmp_path: Path, depots: str, told: list[str]) -> None:
    """Where none has one, depots are mere names."""
    vans = '[vans.a]\ndepot = "south"\n[vans.b]\ndepot = "nrth"\n[vans.c]\ndepot = "south"\n[vans.d]\n'
    (tmp_path / "fleet.toml").write_text(depots + vans)
    result = vanpulse("check-config", cwd=tmp_path)
    assert result.returncode == 0
    lines = [line.split("which")[0] for line in result.stdout.splitlines()[1:]]
    van = {"nrth": "b", "south": "a"}
    assert lines == [f"warning: van {van[depot]!r} names depot {depot!r}, " for depot in told]


def test_check_config_points_at_diesel_classes_of_another_country(tmp_path: Path) -> None:
    """`van_3` is of the UK's table, `eu_van_heavy` of the EU's; a class by the model is the right one everywhere."""
    (tmp_path / "fleet.toml").write_text(
        '[vans.a]\ncountry = "DE"\ndiesel_class = "van_3"\n[vans.b]\ncountry = "GB"\ndiesel_class = "eu_van_heavy"\n'
        '[vans.c]\ncountry = "GB"\ndiesel_class = "van_3"\n[vans.d]\ncountry = "DE"\ndiesel_class = "eu_van_heavy"\n'
        '[vans.e]\ncountry = "DE"\n[vans.f]\ncountry = "GB"\n'
    )
    result = vanpulse("check-config", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines()[1:] == [
        "warning: van 'a': diesel_class 'van_3' is a class of the UK, but the van charges in DE",
        "warning: van 'b': diesel_class 'eu_van_heavy' is a class of the EU, but the van charges in GB",
    ]


def test_what_is_printed_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    result = vanpulse("check-config", cwd=tmp_path, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert "→" in result.stdout


SWALLOWING = """
import contextlib, signal, sys
from agent.__main__ import main

class Swallowing:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            raise ImportError("only half there")

sys.meta_path.insert(0, Swallowing())
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("module", "words"), [("agent.factors", ["factors"]), ("pydantic", ["export", "trip"]), ("nicegui", ["live"])]
)
def test_ctrl_c_that_a_module_swallows_while_it_is_loaded(module: str, words: list[str], tmp_path: Path) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SWALLOWING, module, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize(
    ("command", "setting"),
    [(("export", "battery"), "STORE__URL"), (("report",), "STORE__URL"), (("deadletters", "list"), "JOURNAL__PATH")],
)
def test_a_file_that_cannot_be_looked_at(
    command: tuple[str, ...], setting: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"VANPULSE_{setting}", ("sqlite:///" if setting == "STORE__URL" else "") + "x" * 300)
    assert main(list(command)) in (1, 2)
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert error.endswith("x: File name too long\n")


@pytest.mark.parametrize(
    ("settings", "words", "broker", "prefix"),
    [
        ("", [], "mqtt://127.0.0.1:1883", "vans"),
        ('url = "mqtt://[::1]:1884"\nprefix = "north/vans"\n', [], "mqtt://[::1]:1884", "north/vans"),
        ('username = "a@b"\npassword = "p/w:1"\n', [], "mqtt://a%40b:p%2Fw%3A1@127.0.0.1:1883", "vans"),
        ('prefix = "north"\n', ["--prefix", "x", "--broker", "mqtt://other"], "mqtt://other", "x"),
    ],
)
@pytest.mark.parametrize("where", ["vanpulse.toml", "named.toml"])
def test_the_simulator_takes_the_broker_of_the_settings(
    settings: str,
    words: list[str],
    broker: str,
    prefix: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / where).write_text(f"[mqtt]\n{settings}")
    called: list[argparse.Namespace] = []
    monkeypatch.setattr("simulator.commands.simulate.run", lambda arguments: called.append(arguments) or 0)
    main(["simulate", *words, *(["--config", where] if where == "named.toml" else [])])
    (arguments,) = called
    assert (arguments.broker, arguments.prefix) == (broker, prefix)


@pytest.mark.parametrize("words", [["simulate"], ["replay", "drive.csv"], ["salvage", "old", "new"]])
def test_commands_without_settings_look_at_a_settings_file_that_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--config", "none.toml"]) == 2
    assert "'none.toml' does not exist" in capsys.readouterr().err


def test_a_settings_file_that_is_not_there(tmp_path: Path) -> None:
    assert_one_line(vanpulse("run", "--config", "none.toml", cwd=tmp_path), 2, "'none.toml' does not exist")


def test_a_damaged_journal_is_left_as_it_is_with_a_word_on_how_to_salvage_it(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    journal.write_bytes(b"not a database at all, but long enough to look at" * 100)
    before = journal.read_bytes()
    result = vanpulse("run", cwd=tmp_path, VANPULSE_JOURNAL__PATH=str(journal))
    assert_one_line(result, 1, str(journal))
    assert journal.read_bytes() == before


def test_output_that_nobody_reads_to_its_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "factors"],
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert said == b""


class Failing:
    """A command that fails with what it is given."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def run(self, *_: object) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SettingsError("wrong\n here"), 2),
        (LogFull("full"), 1),
        (ExceptionGroup("stages", [LogFull("full")]), 1),
        (ExceptionGroup("stages", [ExceptionGroup("more", [SettingsError("wrong here")])]), 2),
        (KeyboardInterrupt(), 1),
    ],
)
def test_how_errors_end_it(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("agent.__main__._load", lambda *_: Failing(error).run)
    assert main(["run"]) == status
    said = capsys.readouterr().err
    assert len(said.splitlines()) == (0 if isinstance(error, KeyboardInterrupt) else 1)


def test_an_error_of_the_program_itself_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ExceptionGroup("stages", [LogFull("full"), ZeroDivisionError("a bug")])
    monkeypatch.setattr("agent.__main__._load", lambda *_: Failing(error).run)
    with pytest.raises(ExceptionGroup):
        main(["run"])


def test_a_broken_disk_ends_the_process_without_another_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class EndedError(Exception):
        pass

    def end(status: int) -> None:
        raise EndedError(status)

    monkeypatch.setattr("os._exit", end)
    error = ExceptionGroup("stages", [LogBroken("disk I/O error")])
    monkeypatch.setattr("agent.__main__._load", lambda *_: Failing(error).run)
    with pytest.raises(EndedError, match="1"):
        main(["run"])


def test_signals_while_starting_do_no_harm(tmp_path: Path) -> None:
    """Ended at once or in order, never hanging."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "run"],
        cwd=tmp_path,
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT), "VANPULSE_HTTP__LISTEN": "127.0.0.1:0"},
        stderr=subprocess.PIPE,
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode in (0, -signal.SIGTERM)
