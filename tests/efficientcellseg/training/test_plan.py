"""Which networks a training yields: one for all maps of its configuration, or one a map."""

import pytest
from refusal import refused

from efficientcellseg.maps.offsets import OFFSETS
from efficientcellseg.parameters.locations import ROOT
from efficientcellseg.parameters.reading import check_values, read_yaml
from efficientcellseg.parameters.training import TrainingConfiguration
from efficientcellseg.training.plan import plan_networks


def planned(model: dict, *maps: str) -> list[tuple[str, ...]]:
    values = {"model": model, "data": [{"dataset": "Tiny"}]}
    found = plan_networks(check_values(values, TrainingConfiguration, "test"), maps)
    # Names say what the networks predict, as the option --maps takes it.
    assert [tuple(name.split("+")) for name in found] == list(found.values())
    return list(found.values())


def test_each_map_has_a_network_of_its_own_as_in_the_paper():
    assert planned({}, "cells") == [("cells",)]
    assert planned({}, "cells", "centers") == [("cells",), ("centers",)]


def test_one_network_where_the_configuration_has_all_maps():
    both = {"maps": ["centers", "cells"]}
    assert planned(both, "cells", "centers") == [("centers", "cells")]
    assert planned(both, "cells") == [("centers", "cells")]
    assert planned(both, "cells", "cell_distance") == [("cells",), ("cell_distance",)]
    distances = ("cell_distance", "neighbor_distance")
    assert planned({"kind": "dunet"}, *distances) == [distances]


def test_each_fold_is_a_network():
    values = {"model": {}, "data": [{"dataset": "Tiny"}], "training": {"folds": 2}}
    found = plan_networks(check_values(values, TrainingConfiguration, "test"), ["cells", "centers"])
    cells, centers = ("cells",), ("centers",)
    assert found == {"cells-0": cells, "cells-1": cells, "centers-0": centers, "centers-1": centers}


def test_offsets_stay_together():
    assert planned({}, "cells", *reversed(OFFSETS)) == [("cells",), OFFSETS]
    with refused("maps-incomplete", "offset_planes"):
        planned({}, "cells", "offset_rows", "offset_columns")


@pytest.mark.parametrize("name", ["Sim-MDA231", "volumes", "generalist"])
def test_the_shipped_networks_are_each_one_for_all_maps(name):
    path = ROOT / "config" / "training" / f"{name}.yaml"
    configuration = read_yaml(path, TrainingConfiguration)
    maps = configuration.model.maps
    assert list(plan_networks(configuration, maps).values()) == [maps]
