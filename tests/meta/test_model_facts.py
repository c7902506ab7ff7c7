from datetime import date

from antiphon.routing.facts import load_known_models
from tests.meta.model_facts import FILE, NAMES, table


def test_the_table_of_models_is_what_its_sources_say() -> None:
    """Renew it with `python -m tests.meta.model_facts` when the locks bring newer sources."""
    known = load_known_models()
    assert set(known.providers) == set(NAMES)
    assert FILE.read_text() == table(date.fromisoformat(known.as_of))
