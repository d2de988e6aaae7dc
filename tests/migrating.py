"""A migration for the lanes: the next version of the service has one field more."""

from pathlib import Path

MODELS = "lsml/registry/models.py"
MIGRATIONS = "lsml/registry/migrations"
FIELD = "    labelstudio_id = models.BigIntegerField()\n"
# Each request reads the table's row, with all columns that the version knows.
NEW_FIELD = "    note = models.DateField(null=True)\n"
MIGRATION = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "{last}")]
    operations = [migrations.AddField("project", "note", models.DateField(null=True))]
"""


def add_migration(project: Path) -> str:
    """Add a field to a table of the service; return the name of its migration."""
    models, folder = project / MODELS, project / MIGRATIONS
    text = models.read_text()
    assert FIELD in text
    models.write_text(text.replace(FIELD, FIELD + NEW_FIELD, 1))
    last = max(path.stem for path in folder.glob("[0-9]*.py"))
    name = f"{int(last[:4]) + 1:04}_note.py"
    (folder / name).write_text(MIGRATION.format(last=last))
    return name
