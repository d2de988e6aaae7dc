"""Reads a project from Label Studio's API."""

from __future__ import annotations

from typing import Any


def download_ls_dataset(
    api_url: str, api_token: str, project_id: int
) -> list[dict[str, Any]]:
    """Return all annotated tasks of a project with their annotations.

    Args:
        api_url: Label Studio's address.
        api_token: A legacy token or a personal access token.
        project_id: Label Studio's project id.
    """
    from label_studio_sdk import LabelStudio  # seconds to import

    client = LabelStudio(
        # Without the slash the token would be sent to the host's root.
        base_url=f"{api_url.rstrip('/')}/",
        api_key=api_token,
        follow_redirects=False,  # a redirect could take the token elsewhere
    )
    tasks = client.tasks.list(project=project_id, fields="all", only_annotated=True)
    return [task.model_dump(mode="json") for task in tasks]
