"""Units are converted by a library, and never guessed."""

from __future__ import annotations

import pytest

from analytics.lake import memory
from analytics.sensing.readings import SourceError
from analytics.sensing.units import conversion, convert, known_property, properties, property_of


@pytest.mark.parametrize(
    ("observed", "unit", "factor", "offset"),
    [
        ("pm25", "µg/m³", 1, 0),  # micro sign
        ("pm25", "μg/m³", 1, 0),  # Greek mu
        ("pm25", "ug m-3", 1, 0),
        ("pm25", "mg/m^3", 1000, 0),
        ("no2", "ppb", 1.9125, 0),  # 46.0055 g/mol in 24.055 l/mol
        ("o3", "ppb", 1.9954, 0),
        ("co", "ppm", 1.1644, 0),
        ("no2", "GQ", 1, 0),  # UN/CEFACT
        ("temperature", "°F", 5 / 9, -160 / 9),
        ("temperature", "K", 1, -273.15),
        ("humidity", "1", 100, 0),  # NGSI-LD gives 0 to 1
        ("pressure", "Pa", 0.01, 0),
        ("noise_laeq", "dB(A)", 1, 0),
        ("speed", "mile/h", 1.609344, 0),
    ],
)
def test_a_unit_comes_to_the_one_that_is_kept(observed: str, unit: str, factor: float, offset: float) -> None:
    found = conversion(observed, unit)
    assert found.factor == pytest.approx(factor, rel=1e-4)
    assert found.offset == pytest.approx(offset, abs=1e-9)
    assert found.unit == properties()[observed].unit


@pytest.mark.parametrize("unit", ["ppb", "furlong", "(" * 50, "9**9**9", "1e999", "import os", "\x00", "m", "µg/m³;", "g" * 90])
def test_a_unit_of_another_kind_or_of_none_is_refused_with_those_that_are_known(unit: str) -> None:
    with pytest.raises(SourceError, match=r"of pm25 is unknown or of another kind; expected one of ug/m3, mg/m3"):
        conversion("pm25", unit)


@pytest.mark.parametrize("unit", [None, "", "  "])
def test_a_missing_unit_is_never_guessed(unit: str | None) -> None:
    with pytest.raises(SourceError, match="temperature has no unit; expected one of degC, degF, K"):
        conversion("temperature", unit)


def test_counts_are_no_shares() -> None:
    with pytest.raises(SourceError, match="unit '%' of pedestrian"):
        conversion("pedestrian", "%")


def test_every_kept_unit_is_known_and_every_name_is_one_property() -> None:
    for name, one in properties().items():
        assert conversion(name, one.unit).factor == 1
        assert property_of(name) == name
        assert one.hourly in ("mean", "sum", "energy", "direction", "max", "min")
    assert property_of("P2") == "pm25" and property_of("PM 2.5") == "pm25" and property_of("aether") is None
    with pytest.raises(SourceError, match="observed property 'aether' is unknown; expected one of benzene"):
        known_property("aether")


def test_a_table_keeps_what_was_received() -> None:
    with memory() as connection:
        connection.execute(
            "CREATE TEMP TABLE r AS SELECT * FROM (VALUES (1, 'P2', 0.5, 'mg/m³'), (2, 'temperature', 50.0, '°F')) "
            "t(source_row, observed_property, value, unit)"
        )
        convert(connection, "r", table="c")
        rows = connection.execute("SELECT * FROM c ORDER BY source_row").fetchall()
    assert rows[0] == (1, "pm25", 500.0, "ug/m3", 0.5, "mg/m³")
    assert rows[1][1:] == ("temperature", pytest.approx(10.0), "degC", 50.0, "°F")
