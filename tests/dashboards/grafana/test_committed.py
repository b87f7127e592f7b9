import json

import pytest

from dashboards.grafana import __main__ as generator
from dashboards.grafana.influxql import InfluxQL
from dashboards.grafana.sdk import encoder, model
from tests.dashboards.grafana.committed import FOLDER, dashboards


def test_the_committed_files_are_what_the_code_generates() -> None:
    assert generator.differences(FOLDER, generator.rendered()) == []


def test_check_says_what_is_not_current(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(generator, "FOLDER", tmp_path)
    assert generator.main(["--check"]) == 1
    assert "json/fleet.json is missing" in capsys.readouterr().err

    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0

    (tmp_path / "json/fleet.json").write_text("{}")
    (tmp_path / "json/old.json").write_text("{}")
    assert generator.main(["--check"]) == 1
    complaints = capsys.readouterr().err
    assert "json/fleet.json is not current" in complaints
    assert "json/old.json belongs to no dashboard" in complaints

    assert generator.main([]) == 0
    assert not (tmp_path / "json/old.json").exists()


@pytest.mark.parametrize("name", dashboards())
def test_every_dashboard_survives_the_sdks_model(name: str) -> None:
    committed = dashboards()[name]
    loaded = model.Dashboard.from_json(committed)
    assert json.loads(json.dumps(loaded, cls=encoder.JSONEncoder)) == committed | {"annotations": _bare(committed)}


def _bare(committed: dict) -> dict:
    """The annotations without the three column names, which the SDK's type does not have."""
    extra = {"query", "titleColumn", "textColumn", "tagsColumn"}
    entries = [{k: v for k, v in entry.items() if k not in extra} for entry in committed["annotations"]["list"]]
    return {"list": entries} if "list" in committed["annotations"] else {}


def test_a_target_is_read_as_it_was_written() -> None:
    written = InfluxQL("SELECT 1", ref_id="B", alias="x", result_format="table").to_json()
    assert InfluxQL.from_json(written).to_json() == written
