"""All checks, in the order of the report."""

from typing import Final

from lsml.doctor import alarms, audit, disk, servers, work
from lsml.doctor.findings import Check

_IMPORTING_S: Final = 60.0  # large libraries of models take that long
_READING_S: Final = 60.0  # folders with many files

POSTGRESQL: Final = Check(
    "Reachability",
    "PostgreSQL",
    servers.check_postgresql,
    "Start `make dev`, if it brings the database; else PostgreSQL, or correct"
    " DATABASE_URL.",
    needs_database=False,
)
_LOOK_AT_POSTGRESQL: Final = "Look at PostgreSQL's log and pg_stat_activity."

CHECKS: Final = (
    Check(
        "Reachability",
        "broker",
        servers.check_broker,
        "Start the broker, or correct CELERY_BROKER_URL. Until then, training and"
        " everything else in the background starts late or not at all.",
        needs_database=False,
    ),
    Check(
        "Reachability",
        "artifact storage",
        servers.check_artifacts,
        "Check that ARTIFACT_STORAGE answers: versions cannot be stored or loaded.",
        needs_database=False,
    ),
    Check(
        "Reachability",
        "model process",
        servers.check_model_process,
        "Check MODEL_URL, BACKGROUND_MODEL_URL and the logs of the model processes.",
        needs_database=False,
    ),
    Check(
        "Reachability",
        "Label Studio",
        servers.check_label_studio,
        "Check LABEL_STUDIO_URL, and whether this machine can reach it.",
        needs_database=False,
        timeout_s=15.0,
    ),
    Check(
        "Reachability",
        "anchor",
        servers.check_anchor,
        "Check that the address in AUDIT_ANCHOR answers: seals are not published.",
    ),
    Check(
        "Settings",
        "settings",
        servers.check_settings,
        "Run `manage.py check`.",
        needs_database=False,
    ),
    Check(
        "Settings",
        "model",
        servers.check_model,
        "Import model.py in `manage.py shell` and look where it hangs.",
        needs_database=False,
        timeout_s=_IMPORTING_S,
    ),
    Check("Clocks", "this host", servers.check_clock, _LOOK_AT_POSTGRESQL),
    Check("Audit log", "role", audit.check_role, _LOOK_AT_POSTGRESQL),
    Check("Audit log", "triggers", audit.check_triggers, _LOOK_AT_POSTGRESQL),
    Check("Audit log", "next month", audit.check_partitions, _LOOK_AT_POSTGRESQL),
    Check("Audit log", "sealing", audit.check_sealing, _LOOK_AT_POSTGRESQL),
    Check(
        "Queues and jobs",
        "workers",
        work.check_queues,
        "Start the broker, or correct CELERY_BROKER_URL.",
        needs_database=False,
    ),
    Check("Queues and jobs", "inbox", work.check_inbox, _LOOK_AT_POSTGRESQL),
    Check("Queues and jobs", "projects", work.check_projects, _LOOK_AT_POSTGRESQL),
    Check("Queues and jobs", "jobs", work.check_jobs, _LOOK_AT_POSTGRESQL),
    Check("Queues and jobs", "alarms", alarms.check_alarms, _LOOK_AT_POSTGRESQL),
    Check("Sizes", "tables", disk.check_tables, _LOOK_AT_POSTGRESQL),
    Check("Sizes", "artifacts", disk.check_stored_artifacts, _LOOK_AT_POSTGRESQL),
    Check("Sizes", "growth", disk.check_growth, _LOOK_AT_POSTGRESQL),
    Check(
        "Sizes",
        "folders",
        disk.check_folders,
        "Look at the folders in LSML_DATA_DIR with `du`.",
        needs_database=False,
        timeout_s=_READING_S,
    ),
    Check(
        "Sizes",
        "disks",
        disk.check_disks,
        "Look at the disks of this host with `df`.",
        needs_database=False,
    ),
)
