"""Finds the files that tasks name, and fetches those that are not on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, quote, urlsplit

import requests
from label_studio_sdk._extensions.label_studio_tools.core.utils import io as tools

from .addresses import (
    ForbiddenAddress,
    Gate,
    as_sent,
    guarded_session,
    origin_of,
    same_origin,
)
from .file_cache import FileCache, FileTooLarge
from .label_studio import LabelStudio, Token
from .utils import is_local_files, with_data_prefix

__all__ = ["FileTooLarge", "ForbiddenAddress", "get_local_path"]

TIMEOUT_S = (5, 60)  # to connect, and between two chunks of the body
TIME_LIMIT_S = 600  # for a whole file: a slow server must not block a thread
_CHUNK_BYTES = 1024 * 1024
_RESOLVED_URI = re.compile(r"/(tasks|projects)/\d+/(presign|resolve)/?\?fileuri=")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file can be fetched from, in the order to try."""

    key: str  # identifies the file in the cache
    name: str
    urls: tuple[str, ...]


def get_local_path(
    url: str,
    cache_dir: str | None = None,
    project_dir: str | None = None,
    hostname: str | None = None,
    image_dir: str | None = None,
    access_token: Token = None,
    download_resources: bool = True,
    task_id: int | None = None,
) -> str:
    """Return the local path of a file, and fetch the file first if it is not here.

    Args:
        url: "/data/upload/…", "/data/local-files/?d=…", "s3://…", "gs://…",
            "azure-blob://…", "/storage-data/uploaded/?filepath=…", or http(s).
        cache_dir: Folder for fetched files; LSML_CACHE_DIR if None.
        project_dir: Folder whose subfolder `upload` contains Label Studio's uploads.
        hostname: Label Studio's address; LABEL_STUDIO_URL if None. An address that the
            operator did not set gets no token.
        image_dir: Folder that contains Label Studio's uploads, by project id.
        access_token: Label Studio's token, or a function that returns it;
            LABEL_STUDIO_API_KEY if None.
        download_resources: If false, return the path without fetching the file.
        task_id: Label Studio's task id, required for storage URIs.

    Raises:
        FileNotFoundError: Label Studio's address or token is required but not set.
        ForbiddenAddress: The URL leads to the backend's own network.
        FileTooLarge: The file is larger than the cache's limit.
        PermissionError: Label Studio refused the token.
        TimeoutError: Fetching took more than `TIME_LIMIT_S`.
        requests.RequestException: The file cannot be fetched.
        ValueError: The URL does not name a file.
    """
    server = LabelStudio.from_environment(hostname, access_token)
    url = with_data_prefix(url)
    on_disk = _on_this_disk(url, project_dir=project_dir, image_dir=image_dir)
    if on_disk:
        return on_disk
    source = _source(url, server=server, task_id=task_id)
    cache = FileCache.from_environment(cache_dir)
    path = cache.path(source.key, source.name)
    if download_resources and not cache.find(path):
        cache.add(path, _fetch(source, server))
    return str(path)


def _on_this_disk(
    url: str, *, project_dir: str | None, image_dir: str | None
) -> str | None:
    """Find a file in Label Studio's own folders, if they are on this machine."""
    found: str | None = None
    if is_local_files(url):
        # Only below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT: the URL is not trusted.
        found = tools.resolve_local_storage_file(url)
    elif url.startswith("/data/upload"):
        folder = image_dir or (project_dir and str(Path(project_dir, "upload")))
        folder = folder or str(Path(tools.get_data_dir(), "media", "upload"))
        project_id, name = PurePosixPath(urlsplit(url).path).parts[-2:]
        found = str(Path(folder, project_id, name)) if project_id.isdigit() else None
    return found if found and Path(found).is_file() else None


def _source(url: str, *, server: LabelStudio, task_id: int | None) -> Source:
    parts = urlsplit(url)
    if is_local_files(url):
        name = parse_qs(parts.query)["d"][-1]
        return _kept_by(server, name, server.address(url, url))
    if url.startswith("/data/upload"):
        return _upload(parts.path.removeprefix("/data/"), server)
    if parts.path.lstrip("/").startswith("storage-data/uploaded") and not parts.scheme:
        return _upload(parse_qs(parts.query).get("filepath", [parts.path])[-1], server)
    if tools.is_cloud_storage_uri(url):
        if task_id is None:
            raise ValueError(
                f"{url} can only be resolved for a task: pass its task_id."
            )
        encoded = tools.encode_presign_fileuri(url)
        presign = f"/tasks/{task_id}/presign/?fileuri={encoded}"
        name = PurePosixPath(parts.path).name
        return Source(f"{server.url} {url}", name, (server.address(presign, url),))
    if _RESOLVED_URI.match(url):
        return _kept_by(server, url, server.address(url, url))
    if not origin_of(url):
        raise ValueError(
            f"{url[:200]!r} does not name a file that a task may read: use an http(s) "
            "URL, a storage URI or a path of Label Studio."
        )
    return Source(url, PurePosixPath(parts.path).name, (url,))


def _upload(path: str, server: LabelStudio) -> Source:
    # The first address also serves uploads from cloud storage. Older servers, and those
    # that serve uploads through nginx, have only the second.
    path = path.removeprefix("data/")
    proxied = server.address(f"/storage-data/uploaded/?filepath={quote(path)}", path)
    return _kept_by(server, path, proxied, server.address(f"/data/{path}", path))


def _kept_by(server: LabelStudio, path: str, *urls: str) -> Source:
    return Source(f"{server.url} {path}", PurePosixPath(path).name, urls)


def _fetch(source: Source, server: LabelStudio) -> Iterator[bytes]:
    started_at = time.monotonic()
    gate = Gate.from_environment(server.url)
    with guarded_session(gate, files=server.is_file) as session:
        response = _first_answer(session, source, server)
        for chunk in response.iter_content(_CHUNK_BYTES):
            yield chunk
            if time.monotonic() - started_at > TIME_LIMIT_S:
                raise TimeoutError(
                    f"Fetching {source.name} took more than {TIME_LIMIT_S} s."
                )


def _first_answer(
    session: requests.Session, source: Source, server: LabelStudio
) -> requests.Response:
    *earlier, last = source.urls
    for url in earlier:
        response = _get(session, url, server)
        if response.ok:
            return response
        response.close()
    response = _get(session, last, server)
    if server.refused(response):
        raise PermissionError(_refusal(response, source, server))
    response.raise_for_status()
    return response


def _refusal(response: requests.Response, source: Source, server: LabelStudio) -> str:
    first = (response.history or [response])[0].request
    if not server.is_file(first.url or ""):
        return (
            f"Label Studio requires a token for {source.name}, but the token is sent "
            "to addresses of files only, and the task names another one."
        )
    if not same_origin(response.url, server.url):
        scheme, netloc, *_ = urlsplit(response.url)
        return (
            f"{source.name} was redirected to {scheme}://{netloc.rpartition('@')[2]}, "
            "where the token is not sent: set LABEL_STUDIO_URL to that address if "
            "Label Studio is there."
        )
    return (
        f"Label Studio refused the token for {source.name}: LABEL_STUDIO_API_KEY "
        "must be valid, belong to a user who may see the project, and be of a kind "
        "that the organization allows (legacy tokens are off by default)."
    )


def _get(session: requests.Session, url: str, server: LabelStudio) -> requests.Response:
    return session.get(
        as_sent(url),
        auth=server.authorize,
        stream=True,
        timeout=TIMEOUT_S,
        verify=tools.VERIFY_SSL,
    )
