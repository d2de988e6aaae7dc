"""All settings, read from the environment. The defaults are for production.

Grouped by the part that reads them. `.env.example` describes every variable.
"""

import sys
from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab, schedule

from lsml.audit.tables import AUDIT_TABLES
from lsml.console import sidebar
from lsml.embedded import addresses
from lsml.environment import connections
from lsml.environment.command_line import process_of
from lsml.environment.reading import Environment, read_env_file
from lsml.environment.steady import steady_now
from lsml.labelstudio.secrets import masked_text
from lsml.observability import sentry
from lsml.observability.logs import logging_config
from lsml.registry.storage_url import storage_from_url

BASE_DIR = Path(__file__).resolve().parent.parent
read_env_file()
env = Environment()

# --- The process ---
# web, model, worker, beat, dev or command; decides how long it waits for both servers.
PROCESS = env.str("LSML_PROCESS", default=process_of(sys.argv))
DATA_DIR = Path(env.str("LSML_DATA_DIR", default=str(BASE_DIR / ".data"))).absolute()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")  # required: lsml.E003
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
WSGI_APPLICATION = "config.wsgi.application"
ROOT_URLCONF = "config.urls"
APPEND_SLASH = False  # Label Studio would repeat a redirected POST as an empty GET

INSTALLED_APPS = [
    "lsml.environment",
    "lsml.console",  # before unfold, because it replaces some of its templates
    "unfold.apps.BasicAppConfig",
    "lsml.console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "axes",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "lsml.access",
    "lsml.jobs",
    "lsml.audit",
    "lsml.registry",
    "lsml.dataset",
    "lsml.inference",
    "lsml.training",
    "lsml.quality",
    "lsml.api",
    "lsml.doctor",
    "lsml.backup",
]

MIDDLEWARE = [
    "lsml.observability.requests.RequestIdMiddleware",
    "lsml.api.monitoring.MonitoringMiddleware",
    "lsml.api.tracing.TracingMiddleware",  # only with OpenTelemetry
    "lsml.api.middleware.ProbesMiddleware",  # before hosts are checked
    "lsml.api.middleware.LengthRequiredMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "lsml.api.middleware.ProgramsMiddleware",  # those below are for people
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",  # last, because it replaces the answer of a view
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- PostgreSQL: Django ---
DATABASE_URL = env.str("DATABASE_URL", default="")  # "" = the embedded server
DATABASE_STATEMENT_TIMEOUT_MS = env.int("DATABASE_STATEMENT_TIMEOUT_MS", default=10_000)
_pgbouncer = env.bool("DATABASE_PGBOUNCER", default=False)
_database = env.db_url_config(DATABASE_URL or addresses.database_url(DATA_DIR))
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "lsml.environment.postgresql",
        # A new connection per request is four to six times slower. The check makes the
        # first request after a restart of the database succeed.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": _pgbouncer,
        "OPTIONS": {
            **_database.get("OPTIONS", {}),
            **connections.database_options(
                process=PROCESS,
                statement_timeout_ms=DATABASE_STATEMENT_TIMEOUT_MS,
                pooled=_pgbouncer,
            ),
        },
    }
}

# --- The broker: Celery ---
# A message only wakes a worker. PostgreSQL holds the waiting work, and the sweeper
# notifies again.
_broker_url = env.str("CELERY_BROKER_URL", default="")
CELERY_BROKER_URL = _broker_url or addresses.broker_url(DATA_DIR)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = connections.broker_connect_timeout_s(
    CELERY_BROKER_URL, process=PROCESS
)
CELERY_BROKER_TRANSPORT_OPTIONS = connections.broker_options(
    CELERY_BROKER_URL, process=PROCESS
)
CELERY_TASK_PUBLISH_RETRY_POLICY = connections.publish_retry_policy(process=PROCESS)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "lsml.training.tasks.train": {"queue": "training"},
    # What beat sends does not wait behind the messages of webhooks. Workers take from
    # their queues in turn.
    "lsml.jobs.tasks.sweep": {"queue": "scheduled"},
    "lsml.audit.tasks.seal": {"queue": "scheduled"},
    "lsml.audit.tasks.maintain_partitions": {"queue": "scheduled"},
    "lsml.access.tasks.remove_expired_logins": {"queue": "scheduled"},
    "lsml.quality.tasks.check_alarms": {"queue": "scheduled"},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Celery restores a reduced count from a task's thread. On RabbitMQ that thread and the
# main one then wait for replies on the same socket, and the worker hangs for good.
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
# A worker whose threads are all busy holds messages that it has not started. RabbitMQ
# closes its channel after half an hour; it reconnects, and the messages go to others.
CELERY_BROKER_CHANNEL_ERROR_RETRY = connections.is_rabbitmq(CELERY_BROKER_URL)
# Keeps a busy worker from reserving messages that an idle one could take. Redis only.
CELERY_WORKER_DISABLE_PREFETCH = not connections.is_rabbitmq(CELERY_BROKER_URL)

# The embedded servers: for an address that is not set, and for `manage.py dev`, which
# also works with a developer's own servers. Never in a production process.
if not (DATABASE_URL and _broker_url) or PROCESS == "dev":
    INSTALLED_APPS.append("lsml.embedded")

# --- The schedule: beat ---
# In memory. From a file, beat would read that it last sent a message in an hour, if the
# host's clock was ahead; then it sends none until that hour is over.
CELERY_BEAT_SCHEDULER = "lsml.environment.beat:AliveScheduler"
# Touched by workers and beat for the health checks of their containers.
ALIVE_FILE = env.str("ALIVE_FILE", default="")
TRAINING_SWEEP_S = env.float("TRAINING_SWEEP_S", default=5.0)
AUDIT_SEAL_S = env.float("AUDIT_SEAL_S", default=10.0)
# RabbitMQ removes a message after `expiration` seconds. Not `expires`: a worker would
# compare that time with its own clock, and drop every message if its clock is ahead.
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "lsml.jobs.tasks.sweep",
        "schedule": schedule(TRAINING_SWEEP_S, nowfun=steady_now),
        "options": {"expiration": 60.0},
    },
    "seal": {
        "task": "lsml.audit.tasks.seal",
        "schedule": schedule(AUDIT_SEAL_S, nowfun=steady_now),
        "options": {"expiration": 10.0},
    },
    # Goes to the queue `default`: its worker has label-studio-sdk in memory for bulk
    # predictions as well, and this may wait.
    "answer checks": {
        "task": "lsml.quality.tasks.check_answers",
        "schedule": schedule(30.0, nowfun=steady_now),
        "options": {"expiration": 30.0},
    },
    "live agreement": {
        "task": "lsml.quality.tasks.watch_agreement",
        "schedule": schedule(30.0, nowfun=steady_now),
        "options": {"expiration": 30.0},
    },
    "error groups": {
        "task": "lsml.quality.tasks.group_errors",
        "schedule": schedule(15.0, nowfun=steady_now),
        "options": {"expiration": 15.0},
    },
    # Each project at most once an hour; a round takes a minute at most.
    "drift": {
        "task": "lsml.quality.tasks.check_drift",
        "schedule": schedule(300.0, nowfun=steady_now),
        "options": {"expiration": 300.0},
    },
    # Two checks and sending an alarm take less than a minute.
    "alarms": {
        "task": "lsml.quality.tasks.check_alarms",
        "schedule": schedule(20.0, nowfun=steady_now),
        "options": {"expiration": 20.0},
    },
    # Goes to `default` too: it waits for Label Studio's answers.
    "follow": {
        "task": "lsml.inference.tasks.follow_all",
        "schedule": schedule(60.0, nowfun=steady_now),
        "options": {"expiration": 60.0},
    },
    # And this for the models.
    "shadow": {
        "task": "lsml.inference.tasks.predict_in_shadow",
        "schedule": schedule(15.0, nowfun=steady_now),
        "options": {"expiration": 15.0},
    },
    "partitions": {
        "task": "lsml.audit.tasks.maintain_partitions",
        "schedule": crontab(hour="3", minute="17", nowfun=steady_now),
    },
    "expired logins": {
        "task": "lsml.access.tasks.remove_expired_logins",
        "schedule": crontab(hour="3", minute="27", nowfun=steady_now),
    },
}

# --- Requests: lsml/api ---
BASIC_AUTH_USER = env.str("BASIC_AUTH_USER", default="")
BASIC_AUTH_PASS = env.str("BASIC_AUTH_PASS", default="")
_pairs = [f"{BASIC_AUTH_USER}:{BASIC_AUTH_PASS}"] if BASIC_AUTH_USER else []
BASIC_AUTH_CREDENTIALS = [
    pair.partition(":")[::2]  # user and password; lsml.E040 refuses an empty one
    for pair in [*_pairs, *env.list("BASIC_AUTH_EXTRA", default=[])]
]
WEBHOOK_TOKENS = env.list("WEBHOOK_TOKENS", default=[])
# Per address and web process; wrong ones beyond it get status 429 in that minute.
WRONG_CREDENTIALS_PER_MINUTE = env.int("WRONG_CREDENTIALS_PER_MINUTE", default=20)
MAX_REQUEST_MB = env.int("MAX_REQUEST_MB", default=40)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST_MB * 1024 * 1024
# Addresses and networks of proxies whose X-Request-ID and X-Forwarded-For are used.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# While this file exists, the probes tell a proxy to send no more requests here.
DRAIN_FILE = env.str("DRAIN_FILE", default="")
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["drf_orjson_renderer.renderers.ORJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["lsml.api.parsers.StorableJsonParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["lsml.api.auth.LabelStudioAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "lsml.api.errors.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # our own lists have a parameter `format`
    "DEFAULT_THROTTLE_RATES": {
        # Each web process counts separately, so a machine allows this times processes.
        "user": env.str("API_RATE", default="600/min"),
        "anon": env.str("API_RATE_ANONYMOUS", default="60/min"),
        "login": env.str("API_RATE_LOGIN", default="10/min"),
    },
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Label Studio ML backend",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # allows a list of types, as in ["string", "null"]
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {  # columns of one name with different values
        "JobState": "lsml.jobs.models.Job.State",
        "VersionState": "lsml.registry.models.ModelVersion.State",
        "PredictionKind": "lsml.audit.models.Prediction.Kind",
        "AlarmKind": "lsml.quality.models.Alarm.Kind",
        "AuditJobKind": "lsml.audit.models.AuditJob.Kind",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The model: lsml/inference ---
MODEL_CLASS = env.str("MODEL_CLASS", default="")  # "" = the one subclass in model.py
# web: in the web processes, and in the worker for bulk predictions. process: in the
# model process, which answers under MODEL_URL; what nobody waits for, in another one if
# BACKGROUND_MODEL_URL names it.
MODEL_PLACEMENT = env.one_of("MODEL_PLACEMENT", ("web", "process"), default="web")
MODEL_URL = env.str("MODEL_URL", default="") or addresses.model_url(DATA_DIR)
BACKGROUND_MODEL_URL = env.str("BACKGROUND_MODEL_URL", default="")
if not BACKGROUND_MODEL_URL and PROCESS == "command":  # in another terminal than dev
    BACKGROUND_MODEL_URL = addresses.running_background_model_url(DATA_DIR)
PREDICT_WAIT_S = env.float("PREDICT_WAIT_S", default=20.0)
PREDICT_TIMEOUT_S = env.float("PREDICT_TIMEOUT_S", default=90.0)
PREDICT_QUEUE_MAX = env.int("PREDICT_QUEUE_MAX", default=64)
WEB_PREDICT_THREADS = env.int("WEB_PREDICT_THREADS", default=16)
MODELS_IN_MEMORY_MAX = env.int("MODELS_IN_MEMORY_MAX", default=16)
MODELS_IDLE_MAX_S = env.float("MODELS_IDLE_MAX_S", default=0.0)  # 0 = no limit

# --- The audit log: lsml/audit ---
AUDIT_INPUTS = env.str("AUDIT_INPUTS", default="digest")  # digest or full
AUDIT_SEAL_ROWS_MAX = env.int("AUDIT_SEAL_ROWS_MAX", default=10_000)
# Where the latest seal is published: file:///…, s3://bucket/prefix or https://…
AUDIT_ANCHOR = env.str("AUDIT_ANCHOR", default="")
AUDIT_EXPORT_DIR = Path(env.str("AUDIT_EXPORT_DIR", default=str(DATA_DIR / "exports")))
# Days after which `manage.py audit prune` deletes rows, by table; 0 = never.
_days = env.int("AUDIT_RETENTION_DAYS", default=0)
AUDIT_RETENTION_DAYS = {
    table.name: env.int(table.retention, default=_days)
    for table in AUDIT_TABLES
    if table.is_partitioned
}

# --- Training: lsml/training ---
TRAINING_MAX_ATTEMPTS = env.int("TRAINING_MAX_ATTEMPTS", default=3)
TRAINING_LEASE_S = env.float("TRAINING_LEASE_S", default=12.0)
# One day, so that a training that hangs is stopped; 0 = no limit.
TRAINING_TIME_LIMIT_S = env.int("TRAINING_TIME_LIMIT", default=86_400)
TRAINING_MEMORY_MB = env.int("TRAINING_MEMORY_MB", default=0)  # 0 = no limit
TRAINING_CANCEL_GRACE_S = env.float("TRAINING_CANCEL_GRACE_S", default=10.0)
TRAINING_STOP_GRACE_S = env.float("TRAINING_STOP_GRACE_S", default=5.0)
# How long a worker continues to train, or waits, while the database or the artifact
# storage is down.
TRAINING_OUTAGE_S = env.float("TRAINING_OUTAGE_S", default=300.0)
# Keeps a spare process with the model's code loaded: runs start at once, for the price
# of its memory.
TRAINING_SPARE = env.bool("TRAINING_SPARE", default=True)

# --- Label Studio: lsml/registry/label_studio.py ---
LABEL_STUDIO_URL = env.str("LABEL_STUDIO_URL", default="")
LABEL_STUDIO_API_KEY = env.str("LABEL_STUDIO_API_KEY", default="")  # for that URL only
# Address of this service as Label Studio's machine reaches it, for `manage.py connect`.
SERVICE_URL = env.str(
    "SERVICE_URL", default=f"http://localhost:{env.int('PORT', default=9090)}"
)

# --- Alarms: lsml/quality/alarms ---
ALERT_WEBHOOK_URL = env.str("ALERT_WEBHOOK_URL", default="")  # a secret
ALERT_WEBHOOK_FORMAT = env.one_of(
    "ALERT_WEBHOOK_FORMAT", ("text", "teams"), default="text"
)
ALERT_EMAIL_TO = env.list("ALERT_EMAIL_TO", default=[])
EMAIL_URL = env.str("EMAIL_URL", default="")  # a secret, if it has a password
vars().update(env.mail_server("EMAIL_URL"))
EMAIL_TIMEOUT = 5  # seconds, for each answer of the server
DEFAULT_FROM_EMAIL = env.str("ALERT_EMAIL_FROM", default="lsml@localhost")
# Address of the admin as a browser reaches it, for links in messages.
CONSOLE_URL = (env.str("CONSOLE_URL", default="") or SERVICE_URL).rstrip("/")

# --- Artifacts: lsml/registry ---
ARTIFACT_STORAGE = env.str(
    "ARTIFACT_STORAGE", default=(DATA_DIR / "artifacts").as_uri()
)
ARTIFACT_CACHE_DIR = Path(
    env.str("ARTIFACT_CACHE_DIR", default=str(DATA_DIR / "artifact-cache"))
)
STORAGES = {"artifacts": storage_from_url(ARTIFACT_STORAGE)}
if AUDIT_ANCHOR.startswith("s3://"):
    STORAGES["anchors"] = storage_from_url(AUDIT_ANCHOR)

# --- Static files: whitenoise ---
# Without `collectstatic`, as in `make dev`, files are served from their source folders.
_collected = (STATIC_ROOT / "staticfiles.json").exists() or "collectstatic" in sys.argv
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not _collected
WHITENOISE_KEEP_ONLY_HASHED_FILES = True  # nothing asks for the others
STORAGES["staticfiles"] = {
    "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if _collected
    else "django.contrib.staticfiles.storage.StaticFilesStorage"
}

# --- Logins and the admin: lsml/console ---
UNFOLD = sidebar.UNFOLD
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURES_MAX", default=5)
LOGIN_WAIT_MIN = env.int("LOGIN_WAIT_MIN", default=15)
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_WAIT_MIN)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # counted per pair
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "lsml.observability.requests.login_address"
AXES_LOCKOUT_CALLABLE = "lsml.api.handlers.locked_out"
AXES_ENABLE_ADMIN = False  # refused logins are in the audit log
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
CONSOLE_IMAGES = env.bool("CONSOLE_IMAGES", default=True)
# No inline code, no foreign hosts. The page of a prediction adds the host of its task's
# image: lsml/console/admin/base.py.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/api/",),
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
CSRF_FAILURE_VIEW = "lsml.api.handlers.csrf_failure"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator")
]
AUTH_PASSWORD_VALIDATORS.append({"NAME": "lsml.access.passwords.TokenRevoker"})
SESSION_HOURS = env.int("SESSION_HOURS", default=12)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Whether clients use TLS. `.env` of a development machine has HTTPS=false.
HTTPS = env.bool("HTTPS", default=True)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_S", default=3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# The proxy that terminates TLS must set this header or remove the client's.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
# Only the admin redirects to https: Label Studio would repeat a POST as an empty GET.
SECURE_REDIRECT_EXEMPT = [r"^(?!admin/)"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Logs, traces and errors: lsml/observability ---
# A person reads what a command prints: beside it, only warnings, in words.
_is_command = PROCESS == "command" and Path(sys.argv[0]).name == "manage.py"
LOG_FORMAT = env.one_of(
    "LOG_FORMAT", ("json", "console"), default="console" if _is_command else "json"
)
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING_CONFIG = None
# Both need a library that is an extra: docs/observability.md.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_OFF_BECAUSE = sentry.start(SENTRY_DSN, mask=masked_text) if SENTRY_DSN else ""
logging_config(
    fmt=LOG_FORMAT,
    level=env.one_of(
        "LOG_LEVEL", _LEVELS, default="WARNING" if _is_command else "INFO"
    ),
    mask=masked_text,
    report=sentry.report if SENTRY_DSN and not SENTRY_OFF_BECAUSE else None,
)

# --- Variables that could not be read: the check lsml.E001 ---
UNREADABLE = env.unreadable  # by variable: what it must be
