import pytest

from agent.factors.factor_set import load_factor_set
from agent.factors.traits import traits_of


@pytest.mark.parametrize(
    ("model", "chemistry"),
    [
        ("farizon-sv-67", "lfp"),
        ("farizon-sv-106", "nmc"),
        ("mercedes-esprinter-113", "lfp"),
        ("mercedes-esprinter", "lfp"),  # in no list of models, but of the family
        ("mercedes-evito", "nmc"),
        ("a-van-of-our-own", "nmc"),
        ("", "nmc"),
    ],
)
def test_the_cells_of_a_model(model: str, chemistry: str) -> None:
    assert traits_of(model).chemistry == chemistry


def test_a_model_without_a_table_has_the_default_limits() -> None:
    traits = traits_of("a-van-of-our-own")
    assert (traits.ac_limit_kw, traits.power_limit_kw, traits.power_limit_c) == (25.0, 150.0, 3.0)


def test_the_sources_of_the_models_agree_with_their_cells() -> None:
    """The source of a model's energy says LFP or NMC where it is known."""
    known = 0
    for key, model in load_factor_set().models.items():
        for chemistry in ("LFP", "NMC"):
            if chemistry in model.usable_energy.source:
                known += 1
                assert traits_of(key).chemistry == chemistry.lower(), key
    assert known >= 7
