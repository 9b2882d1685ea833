"""Settings for every test: property tests try the same examples each time; tests/fuzz.py searches for others."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=60,
)
settings.register_profile("fuzz", settings.get_profile("fixed"), derandomize=False, print_blob=True)
settings.register_profile(
    "mutants", settings.get_profile("fuzz"), phases=[Phase.generate], print_blob=False
)
settings.load_profile("fixed")
