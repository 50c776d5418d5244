"""How long a training will take is told once, from its first steps."""

import pytest
from tiny_training import QUICK, run

from efficientcellseg.frozen import changed
from efficientcellseg.training import pace
from efficientcellseg.training.pace import Pace, duration


@pytest.fixture
def clock(monkeypatch):
    """Let the time be 7 s later whenever it is asked for."""
    times = iter(range(0, 7000, 7))
    monkeypatch.setattr(pace.time, "monotonic", lambda: float(next(times)))


def test_the_whole_time_follows_from_the_first_steps(clock, caplog):
    caplog.set_level("INFO")
    plan = changed(QUICK, batch=8, accumulate=2, epochs=50, steps=250)
    one = Pace(plan, 0)
    for step in range(40):
        assert bool(caplog.messages) == (step > 11)
        one.step(10)
    # 10 steps in 7 s; 40 of 50 epochs are left.
    (told,) = caplog.messages
    assert told.startswith("10000 steps of 16 tiles, about 1.9 hours here, at 0.7 s a step")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(90, "1.5 minutes"), (5399, "90.0 minutes"), (36000, "10.0 hours"), (864000, "10.0 days")],
)
def test_durations(seconds, told):
    assert duration(seconds) == told


def test_a_training_tells_it(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path, changed(QUICK, epochs=2, steps=7))
    (told,) = [line for line in caplog.messages if "here" in line]
    assert told.startswith("14 steps of 4 tiles, about ")
