"""The alert rules and the dashboard name what exists."""

import json
from pathlib import Path

import pytest
import yaml

from tests.prometheus import unknown_in

DEPLOY = Path(__file__).parents[2] / "deploy"
GROUPS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
DASHBOARD = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
PANELS = {
    panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"
}


@pytest.mark.parametrize("name", RULES)
def test_an_alert_names_what_exists_and_says_what_to_do(name):
    rule = RULES[name]
    assert not unknown_in(rule["expr"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "action"}


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_asks_a_question_and_names_what_exists(title):
    assert title.endswith("?")
    assert PANELS[title]["targets"]
    for target in PANELS[title]["targets"]:
        assert not unknown_in(target["expr"])


def test_no_name_is_used_twice():
    assert len(RULES) == sum(len(group["rules"]) for group in GROUPS)
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("expression", "typo"),
    [
        ("max(lsml_database_upp) == 0", "lsml_database_upp"),
        ("max(lmsl_database_up) == 0", "lmsl_database_up"),
        ("maxx(lsml_database_up) == 0", "maxx"),
        ('max(lsml_inbox_events{stat="received"})', "stat"),
        ("max by (kin) (lsml_jobs)", "kin"),
        ("rate(lsml_request_seconds_counts[5m])", "lsml_request_seconds_counts"),
    ],
)
def test_a_typo_is_found(expression, typo):
    assert unknown_in(expression) == {typo}
