from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ServiceAccess",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
            ],
            options={
                "permissions": [
                    ("read", "Can read everything"),
                    ("operate", "Can train, promote, roll back, cancel"),
                    ("export", "Can export"),
                    ("people", "Can manage users"),
                ],
                "managed": False,
                "default_permissions": (),
            },
        ),
    ]
