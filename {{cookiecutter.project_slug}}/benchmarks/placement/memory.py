"""How many copies of a model's weights the whole service keeps in memory."""

from benchmarks.load import in_background, keep_sending
from benchmarks.placement.measuring import Measuring, Row
from benchmarks.service import proportional_mb
from tests.models.placements import SHARED_MB

_WEB_WORKERS = 4


def memory(measuring: Measuring) -> list[Row]:
    """Ten projects share 500 MB: what the whole service keeps in memory."""
    used_mb = {}
    for model, placement in (
        ("Empty", "process"),
        ("Large", "process"),
        ("Empty", "web"),
        ("Large", "web"),
    ):
        workers = str(_WEB_WORKERS)
        with measuring.service(model, placement, WEB_WORKERS=workers) as running:
            for project in range(1, 11):
                # On many connections, so that every web process gets some.
                request = running.predict(project=project)
                with in_background(keep_sending, request, 16, 1.5) as answers:
                    assert {each.status for each in answers()} <= {200, 503}
            used_mb[model, placement] = proportional_mb(running.pids())
    return [_memory_row(used_mb, "process", bar=1.3), _memory_row(used_mb, "web")]


def _memory_row(
    used_mb: dict[tuple[str, str], float], placement: str, bar: float | None = None
) -> Row:
    large, empty = used_mb["Large", placement], used_mb["Empty", placement]
    copies = (large - empty) / SHARED_MB
    return Row(
        f"500 MB model, 10 projects, {_WEB_WORKERS} web processes ({placement})",
        f"≤ {bar} copies above the empty model" if bar else "",
        f"{copies:.2f} copies ({large:.0f} MB, empty model {empty:.0f} MB)",
        copies <= bar if bar else None,
    )
