"""The part of `LabelStudioMLBase` that fetches the files that tasks name."""

from __future__ import annotations

import logging
import os
from typing import Any

from .lazy import on_demand
from .utils import is_preload_needed

logger = logging.getLogger(__name__)


class TaskFiles:
    """Provides local copies of the files that tasks name, and Label Studio's token."""

    _label_studio_client: Any = None

    def get_local_path(
        self,
        url: str,
        project_dir: str | None = None,
        ls_host: str | None = None,
        ls_access_token: str | None = None,
        task_id: int | None = None,
        **kwargs: Any,
    ) -> str:
        """Return the local path of a file, and fetch the file first if it is not here.

        Args:
            url: An upload, a local-files or storage URI, or an http(s) address.
            project_dir: Folder whose subfolder `upload` contains uploads, if any.
            ls_host: Label Studio's address; LABEL_STUDIO_URL if None. An address that
                the operator did not set gets no token.
            ls_access_token: Its token; LABEL_STUDIO_API_KEY if None.
            task_id: Label Studio's task id, required for s3:, gs: and azure-blob: URIs.
            kwargs: `cache_dir`, `image_dir` and `download_resources` of the reference.

        Raises:
            FileNotFoundError: Label Studio's address or token is required but not set.
            label_studio_ml.files.ForbiddenAddress: It is on the backend's own network.
        """
        from .files import get_local_path

        return get_local_path(
            url,
            project_dir=project_dir,
            hostname=ls_host,
            access_token=ls_access_token or self.get_label_studio_access_token,
            task_id=task_id,
            **kwargs,
        )

    def preload_task_data(
        self, task: dict[str, Any], value: Any = None, read_file: bool = True
    ) -> Any:
        """Replace strings that name files by the files' text, at any depth.

        Args:
            task: The value's task. Its `id` is required for storage URIs.
            value: A value of `task["data"]`. Dicts are changed in place.
            read_file: If false, strings are replaced by the files' local paths.
        """
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = self.preload_task_data(task, item, read_file=read_file)
            return value
        if isinstance(value, list):
            return [
                self.preload_task_data(task, item, read_file=read_file)
                for item in value
            ]
        if isinstance(value, str) and is_preload_needed(value):
            path = self.get_local_path(url=value, task_id=task.get("id"))
            if not read_file:
                return path
            with open(path, "r") as file:  # noqa: PTH123, UP015 - models' tests patch it
                return file.read()
        return value

    def get_label_studio_access_token(self) -> str | None:
        """Return a token for Label Studio's API, or None if none is configured.

        A personal access token (LABEL_STUDIO_API_KEY) is exchanged for a short-lived
        token.

        Raises:
            PermissionError: LABEL_STUDIO_URL does not answer with a token.
        """
        client = self._get_label_studio_client()
        if client:
            try:
                token: str = client._client_wrapper._tokens_client.api_key
            except ValueError:  # not JSON: a redirect, or another server
                raise PermissionError(
                    "LABEL_STUDIO_URL does not answer with a token: set it to the "
                    "address where Label Studio itself answers, without a redirect."
                ) from None
            return token
        return os.getenv("LABEL_STUDIO_API_KEY") or os.getenv(
            "LABEL_STUDIO_ACCESS_TOKEN"
        )

    def _get_label_studio_client(self) -> Any:
        if self._label_studio_client is None:
            base_url = os.getenv("LABEL_STUDIO_URL") or os.getenv("LABEL_STUDIO_HOST")
            if not base_url:
                return None  # label-studio-sdk would send the key to localhost:8000
            try:
                self._label_studio_client = on_demand().LabelStudio(
                    # Without the slash the key would be sent to the host's root.
                    base_url=f"{base_url.rstrip('/')}/",
                    api_key=os.getenv("LABEL_STUDIO_API_KEY"),
                    follow_redirects=False,  # a redirect could take the key elsewhere
                )
            except Exception as error:  # noqa: BLE001 - label-studio-sdk may raise anything
                logger.warning("No Label Studio client for %s: %s", base_url, error)
                self._label_studio_client = False  # do not try again
        return self._label_studio_client
