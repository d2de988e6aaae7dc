"""What people said about suspicious annotations."""

from django.db import models

from lsml.registry.models import Project


class ConfirmedAnnotation(models.Model):
    """An annotation that a person looked at and found right, in one state."""

    project = models.ForeignKey(
        Project, models.CASCADE, related_name="confirmed_annotations"
    )
    annotation_id = models.BigIntegerField()  # Label Studio's ID
    updated_at = models.DateTimeField()  # of the annotation; later states do not count
    confirmed_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=200)  # user name

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "annotation_id"], name="confirmed_annotation_once"
            )
        ]

    def __str__(self) -> str:
        return f"Annotation {self.annotation_id} confirmed by {self.confirmed_by}"
