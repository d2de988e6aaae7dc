"""All settings, read from the environment; production is the default.

Grouped by who reads them. Every variable is described in `.env.example`.
"""

import sys
from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab

from lsml.console import sidebar
from lsml.embedded import addresses
from lsml.environment.reading import Environment
from lsml.labelstudio.secrets import masked_text
from lsml.observability.logs import logging_config
from lsml.registry.storage_url import storage_from_url

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))

# --- The process ---
# web, worker, beat or command: decides how long it may wait for broker and database.
PROCESS = env.str("LSML_PROCESS", default="command")
DATA_DIR = Path(env.str("LSML_DATA_DIR", default=str(BASE_DIR / ".data"))).absolute()
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")  # lsml.E003 when missing
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
WSGI_APPLICATION = "config.wsgi.application"
ROOT_URLCONF = "config.urls"
APPEND_SLASH = False  # Label Studio follows a redirect of a POST with an empty GET

INSTALLED_APPS = [
    "lsml.environment",
    "lsml.console",  # before unfold: it replaces some of its templates
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
    "lsml.api",
]

MIDDLEWARE = [
    "lsml.observability.requests.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers in the place of a view
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
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- PostgreSQL ---
# Without DATABASE_URL: the embedded server of `make dev`, on a unix socket.
DATABASE_URL = env.str("DATABASE_URL", default="")
_BROKER_URL = env.str("CELERY_BROKER_URL", default="")
# The servers from wheels: where an address is missing, and for `manage.py dev`, which
# also serves a developer who has both servers. Never in a production process.
if not (DATABASE_URL and _BROKER_URL) or sys.argv[1:2] == ["dev"]:
    INSTALLED_APPS.append("lsml.embedded")
_database = env.db_url_config(DATABASE_URL or addresses.database_url(DATA_DIR))
# Milliseconds a statement of a web request may take; 0 sends no limit, which a
# transaction-pooling pgbouncer needs (it refuses start-up options).
DATABASE_STATEMENT_TIMEOUT_MS = env.int("DATABASE_STATEMENT_TIMEOUT_MS", default=10_000)
_options: dict[str, object] = {
    "connect_timeout": 2,  # psycopg raises anything smaller to 2 s
    # A cut cable, or a host that lost power, says nothing: noticed after ten seconds.
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
if PROCESS == "web" and DATABASE_STATEMENT_TIMEOUT_MS:
    _options["options"] = f"-c statement_timeout={DATABASE_STATEMENT_TIMEOUT_MS}"
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "django.db.backends.postgresql",
        # A new connection per request is four to six times slower; the check makes
        # the first request after a database restart succeed.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": env.bool("DATABASE_PGBOUNCER", default=False),
        "OPTIONS": {**_database.get("OPTIONS", {}), **_options},
    }
}

# --- Celery ---
# A message is only a doorbell: PostgreSQL holds what waits, and a sweeper rings again.
CELERY_BROKER_URL = _BROKER_URL or addresses.broker_url(DATA_DIR)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {"lsml.training.tasks.train": {"queue": "training"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
_amqp = CELERY_BROKER_URL.startswith(("amqp", "pyamqp"))
# On Redis an idle worker takes what a busy one would hoard; RabbitMQ ignores it.
CELERY_WORKER_DISABLE_PREFETCH = not _amqp
# Web: one try, as with retries a dead broker costs seconds of an annotator's request.
# Others can wait; and beat needs the retry, as only that replaces a broken connection.
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 2 if PROCESS in {"worker", "beat"} else 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
if _amqp and PROCESS != "worker":
    CELERY_BROKER_CONNECTION_TIMEOUT = 0.1
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "confirm_publish": True,
        "read_timeout": 0.1,
        "write_timeout": 0.1,
    }
elif _amqp:
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
else:
    _patience_s = 30 if PROCESS == "worker" else 0.1
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 300,
        "socket_timeout": _patience_s,
        "socket_connect_timeout": min(_patience_s, 5),
    }
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")
TRAINING_SWEEP_S = env.float("TRAINING_SWEEP_S", default=5.0)
AUDIT_SEAL_S = env.float("AUDIT_SEAL_S", default=10.0)
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "lsml.jobs.tasks.sweep",
        "schedule": TRAINING_SWEEP_S,
        # Not less: behind a long queue every sweep would expire, and none run.
        "options": {"expires": 60.0},
    },
    "seal": {
        "task": "lsml.audit.tasks.seal",
        "schedule": AUDIT_SEAL_S,
        "options": {"expires": 10.0},
    },
    "partitions": {
        "task": "lsml.audit.tasks.look_after_partitions",
        "schedule": crontab(hour="3", minute="17"),
    },
}

# --- The wire: lsml/api ---
BASIC_AUTH_USER = env.str("BASIC_AUTH_USER", default="")
BASIC_AUTH_PASS = env.str("BASIC_AUTH_PASS", default="")
# More pairs `user:password`, comma-separated: the old and the new one while rotating.
_pairs = [f"{BASIC_AUTH_USER}:{BASIC_AUTH_PASS}"] if BASIC_AUTH_USER else []
BASIC_AUTH_CREDENTIALS = [
    pair.partition(":")[::2]  # lsml.E040 refuses a part that is empty
    for pair in [*_pairs, *env.list("BASIC_AUTH_EXTRA", default=[])]
]
# Accepted in the header X-Webhook-Token, for a webhook that shall not carry a password.
WEBHOOK_TOKENS = env.list("WEBHOOK_TOKENS", default=[])
# By one client for one user name, in each web process; then 429 for a minute.
WRONG_CREDENTIALS_PER_MINUTE = env.int("WRONG_CREDENTIALS_PER_MINUTE", default=20)
MAX_REQUEST_MB = env.int("MAX_REQUEST_MB", default=64)
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST_MB * 1024 * 1024
# Proxies whose X-Request-ID and X-Forwarded-* are believed.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["drf_orjson_renderer.renderers.ORJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["lsml.api.parsers.StorableJsonParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["lsml.api.auth.LabelStudioAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "lsml.api.errors.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # `format` is a word of our own lists
    "DEFAULT_THROTTLE_RATES": {
        # Counted by each web process: the limit of a machine is this times processes.
        "user": env.str("API_RATE", default="600/min"),
        "anon": env.str("API_RATE_ANONYMOUS", default="60/min"),
        "login": env.str("API_RATE_LOGIN", default="10/min"),
    },
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Label Studio ML backend",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # a type may be a list, as in ["string", "null"]
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- The model: lsml/inference ---
MODEL_CLASS = env.str("MODEL_CLASS", default="")  # "" = the one subclass in model.py
PREDICT_WAIT_S = env.float("PREDICT_WAIT_S", default=20.0)
MODELS_IN_MEMORY_MAX = env.int("MODELS_IN_MEMORY_MAX", default=8)

# --- The audit trail: lsml/audit ---
AUDIT_INPUTS = env.str("AUDIT_INPUTS", default="digest")  # digest or full
AUDIT_SEAL_ROWS_MAX = env.int("AUDIT_SEAL_ROWS_MAX", default=10_000)  # rows of a seal
# Where the last seal is told outside: file:///…, s3://bucket/prefix or https://…
AUDIT_ANCHOR = env.str("AUDIT_ANCHOR", default="")
AUDIT_EXPORT_DIR = Path(env.str("AUDIT_EXPORT_DIR", default=str(DATA_DIR / "exports")))
# Days that rows are kept, per table; 0 = for ever. `manage.py audit prune` obeys.
_retention_days = env.int("AUDIT_RETENTION_DAYS", default=0)
AUDIT_RETENTION_DAYS = {
    "audit_prediction": env.int(
        "AUDIT_RETENTION_DAYS_PREDICTION", default=_retention_days
    ),
    "audit_webhookevent": env.int(
        "AUDIT_RETENTION_DAYS_EVENT", default=_retention_days
    ),
    "audit_auditentry": env.int("AUDIT_RETENTION_DAYS_ENTRY", default=_retention_days),
}

# --- Training: lsml/training ---
TRAINING_MAX_ATTEMPTS = env.int("TRAINING_MAX_ATTEMPTS", default=3)
TRAINING_LEASE_S = env.float("TRAINING_LEASE_S", default=12.0)
# A day, so that a training that hangs does not hang for ever; 0 = none.
TRAINING_TIME_LIMIT_S = env.int("TRAINING_TIME_LIMIT", default=86_400)
TRAINING_MEMORY_MB = env.int("TRAINING_MEMORY_MB", default=0)  # 0 = none
TRAINING_CANCEL_GRACE_S = env.float("TRAINING_CANCEL_GRACE_S", default=10.0)
TRAINING_STOP_GRACE_S = env.float("TRAINING_STOP_GRACE_S", default=5.0)
# How long a worker trains on, or waits, while the database does not answer.
TRAINING_OUTAGE_S = env.float("TRAINING_OUTAGE_S", default=300.0)
# One process with the model's code loaded waits for the next run: it starts at once,
# at the price of that process's memory.
TRAINING_SPARE = env.bool("TRAINING_SPARE", default=True)

# --- Label Studio: lsml/registry/label_studio.py; no other address gets the key ---
LABEL_STUDIO_URL = env.str("LABEL_STUDIO_URL", default="")
LABEL_STUDIO_API_KEY = env.str("LABEL_STUDIO_API_KEY", default="")
# How Label Studio's own machine reaches this service; `manage.py connect` tells it.
SERVICE_URL = env.str(
    "SERVICE_URL", default=f"http://localhost:{env.int('PORT', default=9090)}"
)

# --- Artifacts: lsml/registry ---
ARTIFACT_STORAGE = env.str(
    "ARTIFACT_STORAGE", default=(DATA_DIR / "artifacts").as_uri()
)
ARTIFACT_CACHE_DIR = Path(
    env.str("ARTIFACT_CACHE_DIR", default=str(DATA_DIR / "artifact-cache"))
)
# Before `collectstatic`, as in `make dev`, files are served from where they lie.
_collected = (STATIC_ROOT / "staticfiles.json").exists() or "collectstatic" in sys.argv
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not _collected
STORAGES = {
    "artifacts": storage_from_url(ARTIFACT_STORAGE),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
if AUDIT_ANCHOR.startswith("s3://"):
    STORAGES["anchors"] = storage_from_url(AUDIT_ANCHOR)

# --- People: the admin ---
UNFOLD = sidebar.UNFOLD
# Five wrong passwords from one address for one name: that pair waits.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURES_MAX", default=5)
LOGIN_WAIT_MIN = env.int("LOGIN_WAIT_MIN", default=15)
AXES_COOLOFF_TIME = timedelta(minutes=LOGIN_WAIT_MIN)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "lsml.observability.requests.login_address"
AXES_LOCKOUT_CALLABLE = "lsml.api.handlers.locked_out"
AXES_ENABLE_ADMIN = False  # refused logins are deeds in the audit trail
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
# Whether the page of a prediction may load the image that its task names.
CONSOLE_IMAGES = env.bool("CONSOLE_IMAGES", default=True)
# Nothing inline, nothing from elsewhere. The page of a prediction adds the one host
# its task's image comes from: lsml/console/admin/base.py.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ("/predict", "/webhook", "/setup", "/health", "/api/"),
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
LOGIN_REDIRECT_URL = "admin:index"  # of a login that came from no page
CSRF_FAILURE_VIEW = "lsml.api.handlers.csrf_failure"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_HOURS = env.int("SESSION_HOURS", default=12)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Behind TLS, as in production. `.env` of a development machine says HTTPS=false.
HTTPS = env.bool("HTTPS", default=True)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_S", default=3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# The proxy that ends TLS must set this header itself, or strip a client's.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
# Label Studio follows a redirect of a POST with an empty GET: only people are sent on.
SECURE_REDIRECT_EXEMPT = [r"^(?!admin/)"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
X_FRAME_OPTIONS = "DENY"

# --- Logs ---
LOG_FORMAT = env.one_of("LOG_FORMAT", ("json", "console"), default="json")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING_CONFIG = None
logging_config(
    fmt=LOG_FORMAT,
    level=env.one_of("LOG_LEVEL", _LEVELS, default="INFO"),
    mask=masked_text,
)

SILENCED_SYSTEM_CHECKS: list[str] = []
UNREADABLE = env.unreadable  # by variable: what it must be; the check lsml.E001
