"""Each container of compose.yaml has the rights and secrets it needs, no others."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
EXAMPLE = (PROJECT / ".env.example").read_text()
WITH_MODEL_LIBRARIES = {"model", "background-model", "training"}
# `migrate` gets all: it checks all settings, and ends before the others start.
WEB = {"web1", "web2"}
CALLERS = {*WEB, "migrate"}
LABEL_STUDIO = {"model", "background-model", "worker", "training", "migrate"}
ALARMS = {"worker", "training", "migrate"}
STORAGE = {*WEB, *LABEL_STUDIO}
SECRETS = {
    "SECRET_KEY": STORAGE,
    "ADMIN_PASSWORD": {"migrate"},
    "POSTGRES_PASSWORD": {"migrate", "postgres"},
    "DATABASE_SERVICE_PASSWORD": {"migrate"},
    "BASIC_AUTH_USER": CALLERS,  # the service refuses a name without a password
    "BASIC_AUTH_PASS": CALLERS,
    "BASIC_AUTH_EXTRA": CALLERS,
    "WEBHOOK_TOKENS": CALLERS,
    "LABEL_STUDIO_API_KEY": LABEL_STUDIO,
    "LABEL_STUDIO_ACCESS_TOKEN": LABEL_STUDIO,
    "ALERT_WEBHOOK_URL": ALARMS,
    "ALERT_EMAIL_TO": ALARMS,  # the service refuses it without EMAIL_URL
    "EMAIL_URL": ALARMS,
    "AWS_ACCESS_KEY_ID": STORAGE,
    "AWS_SECRET_ACCESS_KEY": STORAGE,
    "AWS_SESSION_TOKEN": STORAGE,
}
OWNER = ("lsml", "POSTGRES_PASSWORD")
SERVICE = ("service", "DATABASE_SERVICE_PASSWORD")
ROLES = {
    "migrate": [OWNER],
    "web1": [SERVICE],
    "web2": [SERVICE],
    "model": [SERVICE],
    "background-model": [SERVICE],
    "worker": [SERVICE],
    "training": [SERVICE],
    "beat": [],
}
each_service = pytest.mark.parametrize("service", SERVICES)


def reaches(name, service):
    """Whether a variable of `.env` is in the environment of a container."""
    declared = SERVICES[service].get("environment", {})
    if name in declared:
        return declared[name].startswith("${" + name)
    return SERVICES[service].get("env_file") == ".env"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_reaches_only_the_containers_that_need_it(name):
    assert {each for each in SERVICES if reaches(name, each)} == SECRETS[name]


def test_every_secret_of_the_example_is_in_the_table():
    words = r"PASS|PASSWORD|KEY|TOKEN|TOKENS|SECRET|EXTRA"
    named = re.findall(rf"^(?:# )?([A-Z_]*_(?:{words}))=", EXAMPLE, re.MULTILINE)
    assert set(named) <= set(SECRETS)


@pytest.mark.parametrize("service", ROLES)
def test_no_other_setting_is_taken_away(service):
    declared = SERVICES[service]["environment"]
    assert {name for name, value in declared.items() if value == ""} <= set(SECRETS)
    assert SERVICES[service]["env_file"] == ".env"


@pytest.mark.parametrize("service", ROLES)
def test_only_migrate_connects_as_the_owner_of_the_tables(service):
    url = SERVICES[service]["environment"]["DATABASE_URL"]
    assert re.findall(r"//(\w+):\$\{(\w+)", url) == ROLES[service]


def test_migrate_grants_the_rights_to_the_role_of_the_others():
    declared = SERVICES["migrate"]["environment"]
    assert declared["DATABASE_SERVICE_ROLE"] == SERVICE[0]


def test_others_cannot_write_into_the_home_folder_of_the_owner_of_the_tables():
    assert SERVICES["migrate"]["environment"]["HOME"] == "/tmp"
    assert any(mount.startswith("/tmp:") for mount in SERVICES["migrate"]["tmpfs"])


@each_service
def test_the_root_file_system_is_read_only(service):
    assert SERVICES[service]["read_only"] is True
    # Of the services here, these hold what has to survive a restart.
    kept = {
        "postgres": ["postgres:/var/lib/postgresql"],
        "proxy": ["certificates:/certificates"],
        "broker": [],
        "beat": [],
    }
    assert SERVICES[service].get("volumes", []) == kept.get(service, ["data:/data"])


@each_service
def test_only_models_may_execute_what_is_in_tmp(service):
    options = {
        option
        for mount in SERVICES[service]["tmpfs"]
        for option in mount.partition(":")[2].split(",")
    }
    assert ("exec" in options) == (service in WITH_MODEL_LIBRARIES)


@each_service
def test_a_container_has_no_rights_of_root(service):
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert "cap_add" not in SERVICES[service]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    # The Dockerfile names the user of our own images.
    assert "build" in SERVICES[service] or SERVICES[service]["user"] == (
        "valkey" if service == "broker" else service
    )


@each_service
def test_logs_and_the_number_of_processes_are_limited(service):
    assert SERVICES[service]["pids_limit"] > 0
    logging = SERVICES[service]["logging"]
    assert logging["driver"] == "json-file"
    assert set(logging["options"]) == {"max-size", "max-file"}


def test_web_takes_the_clients_address_from_the_proxys_network_only():
    [subnet] = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert COMPOSE["networks"]["front"]["internal"] is True
    on_it = {
        name for name, each in SERVICES.items() if "front" in each.get("networks", {})
    }
    assert on_it == {"proxy", *WEB}
    for name in WEB:
        trusted = SERVICES[name]["environment"]["TRUSTED_PROXIES"]
        assert trusted.startswith(subnet["subnet"])


def test_the_proxy_sends_requests_to_every_replica_over_its_network():
    caddyfile = (PROJECT / "deploy/Caddyfile").read_text()
    [named] = re.findall(r"reverse_proxy (.+) {", caddyfile)
    aliases = [SERVICES[name]["networks"]["front"]["aliases"] for name in sorted(WEB)]
    assert named.split() == [f"{alias}:9090" for [alias] in aliases]


def test_the_proxy_gets_each_of_several_trusted_proxies(tmp_path):
    [command] = re.findall(
        r"^CMD (.+caddy.+)$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE
    )
    caddy = tmp_path / "caddy"
    caddy.write_text('#!/bin/sh\necho "$TRUSTED_PROXIES"\n')
    caddy.chmod(0o700)
    words = [
        word.replace("/usr/local/bin/caddy", str(caddy)) for word in json.loads(command)
    ]
    given = os.environ | {"TRUSTED_PROXIES": "10.0.0.5,10.1.0.0/28, 2001:db8::1"}
    shown = subprocess.check_output(words, env=given, text=True)
    assert shown.split() == ["10.0.0.5", "10.1.0.0/28", "2001:db8::1"]


def test_a_deploy_replaces_every_replica():
    script = (PROJECT / "deploy/roll.sh").read_text()
    [replicas] = re.findall(r"^for replica in (.+); do", script, re.MULTILINE)
    assert set(replicas.split()) == WEB


def test_a_deploy_drains_a_replica_with_the_file_that_it_watches():
    script = (PROJECT / "deploy/roll.sh").read_text()
    for name in WEB:
        assert f"touch {SERVICES[name]['environment']['DRAIN_FILE']}" in script
