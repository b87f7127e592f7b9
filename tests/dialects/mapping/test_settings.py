"""Each way in which `[dialects.NAME]` can be wrong: the error names the key and says what is accepted."""

from pathlib import Path

import pytest

from agent.config import load
from agent.errors import SettingsError
from agent.shard.opening import decoder_of, roster_of

HEAD = '[mqtt]\ndialects = ["native", "g"]\n[dialects.g]\ntopic = "acme/{vehicle_id}/status"\n'
FIELD = "[dialects.g.fields]\n"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("", "dialects.g.fields: Field required"),
        ("fields = {}", "dialects.g: fields: a mapping fills at least one field"),
        (f'colour = 1\n{FIELD}soc_pct = {{path = "a"}}', "unknown setting 'dialects.g.colour'"),
        (f'{FIELD}soc = {{path = "a"}}', "unknown setting 'dialects.g.fields.soc'"),
        (f'{FIELD}soc_pct = {{path = "a", untis = "%"}}', "unknown setting 'dialects.g.fields.soc_pct.untis'"),
        (f'{FIELD}soc_pct = "a"', "dialects.g.fields.soc_pct = 'a': "),
        (f'{FIELD}speed_kmh = {{path = "a", unit = "m/h"}}', "fields.speed_kmh: unit 'm/h' is not known; choose from"),
        (
            f'{FIELD}speed_kmh = {{path = "a", unit = "kW"}}',
            "fields.speed_kmh: 'kW' is a unit of power, not of speed; choose from km/h, m/s, mph, knots",
        ),
        (f'{FIELD}charging = {{path = "a", unit = "V"}}', "fields.charging: charging has no unit"),
        (f'{FIELD}parcels = {{path = "a", unit = "kg"}}', "fields.parcels: parcels has no unit"),
        (f'{FIELD}charging = {{path = "a", scale = 2.0}}', "fields.charging: scale: for numbers only"),
        (f'{FIELD}soc_pct = {{path = "a..b"}}', "fields.soc_pct.path = 'a..b': this path cannot be read from '..b' on"),
        (f"{FIELD}soc_pct = {{path = []}}", "fields.soc_pct.path = []: a path, or a list of 1 to 8 paths"),
        (
            f'{FIELD}soc_pct = {{path = "a", when = "b &"}}',
            "fields.soc_pct.when = 'b &': this condition cannot be read",
        ),
        (f'{FIELD}soc_pct = {{path = "a", sign = 2}}', "fields.soc_pct.sign = 2: Input should be 1 or -1"),
        (f'{FIELD}soc_pct = {{path = "a", scale = 0}}', "fields.soc_pct.scale = 0: a scale of 0 makes every value 0"),
        (f'{FIELD}soc_pct = {{path = "a", scale = inf}}', "fields.soc_pct.scale = inf: "),
        (f'{FIELD}soc_pct = {{path = "a", sentinels = [nan]}}', "fields.soc_pct.sentinels = [nan]: nan is neither"),
        (f'{FIELD}soc_pct = {{path = "a", part = 1}}', "fields.soc_pct: part needs a separator"),
        (f'{FIELD}charging = {{path = "a", values = {{A = 1}}}}', "fields.charging: values.A = 1.0: charging is true"),
        (f'{FIELD}soc_pct = {{path = "a", values = {{A = true}}}}', "values.A = True: soc_pct is a number"),
        (f'{FIELD}soc_pct = {{path = "a", values = {{A = 101}}}}', "values.A = 101.0 is not within 0 to 100"),
        (f'{FIELD}soc_pct = {{path = "a", values = {{A = 1}}, scale = 2}}', "scale: values already are in the field's"),
        (f'time = {{path = "t", unit = "h"}}\n{FIELD}soc_pct = {{path = "a"}}', "dialects.g.time.unit = 'h': "),
        (f'vehicle_id = {{path = "v"}}\n{FIELD}soc_pct = {{path = "a"}}', "names the van twice, by a level and by"),
        (f'hold_s = 5\n{FIELD}soc_pct = {{path = "a"}}', "dialects.g: hold_s needs join_s"),
        (f'join_s = 61\n{FIELD}soc_pct = {{path = "a"}}', "dialects.g.join_s = 61: "),
        (f'preset = "gps"\n{FIELD}soc_pct = {{path = "a"}}', "g.preset = 'gps': choose from traccar, flespi"),
        (f'{FIELD}soc_pct = {{path = "a"}}\nspeed_kmh = {{}}', "dialects.g: fields.speed_kmh: path is missing"),
        (f'time = {{path = "t"}}\n{FIELD}soc_pct = {{}}', "fields.soc_pct: without a path the payload is one value"),
        (f'{FIELD}soc_pct = {{when = "ok"}}', "fields.soc_pct: when needs JSON, and without a path"),
        (f"{FIELD}charging = {{}}", "fields.charging: values is missing: without a path it says which text means"),
        (f'{FIELD}soc_pct = {{topic = "acme/soc"}}', "topic 'acme/soc' names the van nowhere"),
        (f'{FIELD}soc_pct = {{topic = "a{{v}}"}}', "fields.soc_pct.topic = 'a{v}': level 'a{v}'"),
        (f'{FIELD}soc_pct = {{path = "a"}}\naction = {{path = "b"}}', "fields.soc_pct is no field of a drop"),
        (f'{FIELD}soc_pct = {{path = "a"}}\nitems = {{path = "b"}}', "fields.items is no field of a reading"),
        (f'{FIELD}action = {{path = "b"}}\nitems = {{path = "c"}}', "time is missing: a drop without a time"),
        (f'{FIELD}action = {{path = "b", values = {{x = "lod"}}}}', "values: an action is 'load' or 'unload'"),
        (
            f'{FIELD}soc_pct = {{path = "a"}}\nspeed_kmh = {{path = "b", topic = "acme/+/{{vehicle_id}}"}}',
            "may both match: keep them apart",
        ),
        (f'{FIELD}soc_pct = {{path = "a"}}\n[dialects.native]\ntopic = "x"', "'native' is the name of a dialect"),
        (f'{FIELD}soc_pct = {{path = "a"}}\n[dialects."a/b"]\ntopic = "x"', "dialects.a/b"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, toml: str, said: str) -> None:
    file = tmp_path / "vanpulse.toml"
    file.write_text(HEAD + toml, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dialect_that_is_not_described_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "vanpulse.toml"
    file.write_text(
        '[mqtt]\ndialects = ["gateway"]\n[dialects.other]\ntopic = "a/{vehicle_id}"\nfields.soc_pct.path = "s"\n'
    )
    with pytest.raises(
        SettingsError, match=r"'gateway' is none of native, .*, owntracks, other; .*\[dialects.gateway\]"
    ):
        load(file)


@pytest.mark.parametrize(
    ("dialects", "tables", "said"),
    [
        ('"native", "g"', '[dialects.g]\ntopic = "vans/{vehicle_id}/x"', "may also be one of 'native', 'vans/#'"),
        ('"g", "native"', '[dialects.g]\ntopic = "vans/{vehicle_id}/x"', "may also be one of 'native', 'vans/#'"),
        (
            '"g", "h"',
            '[dialects.g]\ntopic = "a/{vehicle_id}"\n[dialects.h]\ntopic = "a/{vehicle_id}"',
            "one of 'g', 'a/+'",
        ),
    ],
)
def test_topics_of_another_dialect_are_refused(tmp_path: Path, dialects: str, tables: str, said: str) -> None:
    file = tmp_path / "vanpulse.toml"
    text = tables.replace("\n[", '\nfields.soc_pct.path = "s"\n[') + '\nfields.soc_pct.path = "s"\n'
    file.write_text(f"[mqtt]\ndialects = [{dialects}]\n{text}")
    settings = load(file)
    with pytest.raises(SettingsError) as caught:
        decoder_of(settings, roster_of(settings))
    assert said in str(caught.value)


def test_a_topic_that_begins_with_any_level_gets_what_the_others_leave(tmp_path: Path) -> None:
    file = tmp_path / "vanpulse.toml"
    file.write_text('[mqtt]\ndialects = ["teltonika", "native"]\n')
    settings = load(file)
    decoder = decoder_of(settings, roster_of(settings))
    assert [dialect.name for dialect in decoder.dialects] == ["native", "teltonika"]
    assert decoder.sender("vans/data") == "data"
    assert decoder.sender("352094081673025/data") == "352094081673025"
