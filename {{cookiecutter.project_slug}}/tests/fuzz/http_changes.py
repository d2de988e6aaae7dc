"""Changes to a request's framing, headers, address and bytes; each makes an Attempt."""

import gzip
import urllib.parse

from tests.fuzz.messages import Attempt, is_whole, single

_METHODS = [
    *("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "POST"),
    *("FOO", "get", "P" * 30, "PROPFIND", "É"),
]
_TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"),
    *("multipart/form-data; boundary=x", "application/json; charset=utf-16", "/", ""),
    *("application/json;" + "a" * 3_000, "application/JSON ;q=1", "\xff\xfe", "*/*"),
    *("application/json, text/html", "text/html", "application/msgpack"),
]
_VERSIONS = ["HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9", "http/1.1"]
_VERSIONS += ["", "HTTP/1.1 x", "HTTP/1", "ICAP/1.0"]
_LENGTHS = ["-1", "abc", "+5", "1e3", "", "0x10", "5, 5", "1_0", "\xb2", "5;q=1"]
_CODINGS = ["gzip, chunked", "chunked, chunked", "xchunked", "gzip", "identity", "\x0b"]
_HEADERS = [
    *(("Host", "a" * 300), ("Host", "evil.example"), ("Host", "a b"), ("Host", "")),
    *(
        ("Host", "[::1"),
        ("Host", "localhost:99999999"),
        ("Host", "é"),
        ("Host", "\xff"),
    ),
    *(("X-Junk", "j" * 9_000), ("X-Junk", "j" * 70_000), ("X\x00", "1"), ("X Y", "1")),
    *(("X-Junk", "a\x00b"), ("X-Junk", "a\rb"), ("X-Junk", "\xff" * 50), ("", "1")),
    *(("X_Junk", "1"), ("Content_Length", "5"), ("Name ", "1"), (" Fold", "1")),
    *(
        ("X-Request-ID", "x" * 5_000),
        ("X-Request-ID", "\xe9"),
        ("X-Forwarded-For", ","),
    ),
    *(("X-Forwarded-For", "999.1.1.1, ::1%eth0"), ("X-Forwarded-Proto", "https")),
    *(("Authorization", "Basic"), ("Authorization", "Basic ####"), ("Cookie", "=;=")),
    *(("Authorization", "Basic " + "QQ" * 3_000), ("Authorization", "Bearer é")),
    *(("Authorization", "Token"), ("Authorization", "Bearer a b c"), ("Cookie", "a")),
    *(("Cookie", "sessionid=" + "s" * 5_000), ("Cookie", 'csrftoken="\\"; a="')),
    *(("Accept", "text/html"), ("Accept", "image/*;q=0"), ("Accept", "a" * 5_000)),
    *(("Accept-Language", "x-" * 400), ("Accept-Language", "de-\xff;q=x")),
    *(
        ("If-Modified-Since", "yesterday"),
        ("If-None-Match", "W/"),
        ("Range", "bytes=9-"),
    ),
    *(("Connection", "close"), ("Connection", "keep-alive, x"), ("Connection", "\x7f")),
    *(
        ("Upgrade", "websocket"),
        ("Upgrade", "h2c"),
        ("TE", "trailers"),
        ("Trailer", "X"),
    ),
    *(("X-HTTP-Method-Override", "DELETE"), ("X-Webhook-Token", "\xe9")),
    *(("X-Label-Studio-Project", "1"), ("X-Label-Studio-Project", "\xff" * 30)),
]
_QUERIES = [
    *("", "=", "&&&=", "a=%00", "a=%ff%fe", "%00=1", "a=%", "a=%zz", "a[]=1&a[]=2"),
    *("limit=0", "limit=-1", "limit=1e9", "order=x", "after=" + "9" * 40, "after=%00"),
    *(
        "format=json",
        "format=xml",
        "format=%00",
        "since=x",
        "since=9999-12-31T23:59:59Z",
    ),
    *("since=0001-01-01T00:00:00%2B14:00", "since=1500-01-01", "until=2026-11-31"),
    *("task_id=9223372036854775808", "task_id=-9223372036854775809", "task_id=1.5"),
    *("project_pk=99999999999999999999", "project_pk=%F0%9F%98%80", "labelstudio_id="),
    *("request_id=" + "r" * 3_000, "model_version=%00", "version=" + "%F0" * 90),
    *("limit=1&limit=2", "limit=%EF%BC%91", "limit=%D9%A1", "x=" + "1" * 7_000),
    "&".join(f"p{number}={number}" for number in range(1_500)),
]
_TARGETS = [
    *(
        "/",
        "//",
        "//predict",
        "/predict/",
        "/PREDICT",
        "/%00",
        "/%ff",
        "/../etc/passwd",
    ),
    *("/./health", "/predict;x=1", "*", "", "predict", "http://localhost/health", "/%"),
    *("http://", "http://[/x", "/" + "a" * 3_000, "/" + "a" * 9_000, "/a b", "/\xe9"),
    *("/health?x#y", "/#", "/admin", "/admin/../health", "/static/../../x", "/static/"),
    *("/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/runs/", "/api/v1/docs/x"),
    *("/favicon.ico", "/.env", "/robots.txt", "/health\\", "/health%0d%0aX:1", "?"),
]


def method(rng, message):
    message.method = rng.choice(_METHODS)
    return single("method", message)


def content_type(rng, message):
    message.set("Content-Type", rng.choice(_TYPES))
    return single("content type", message)


def version(rng, message):
    message.version = rng.choice(_VERSIONS)
    if rng.random() < 0.3:
        message.set("Connection", "keep-alive")
    return single("version", message)


def header(rng, message):
    for _ in range(rng.choice([1, 1, 2, 150])):
        change = message.set if rng.random() < 0.6 else _add_to(message)
        change(*rng.choice(_HEADERS))
    attempt = single("header", message)
    return _unsure(attempt)


def _add_to(message):
    return lambda name, value: message.headers.append((name, value))


def query(rng, message):
    joined = "&".join(rng.choice(_QUERIES) for _ in range(rng.choice([1, 1, 2])))
    message.target += ("&" if "?" in message.target else "?") + joined
    return single("query", message)


def target(rng, message):
    message.target = rng.choice(_TARGETS)
    if rng.random() < 0.2:
        message.target = urllib.parse.quote(message.target)
    return single("target", message)


def length(rng, message):
    """Declare a wrong length; too much is sent, or the rest never comes."""
    message.frames_body = False
    actual = len(message.body)
    draw = rng.random()
    if draw < 0.4:
        message.set("Content-Length", rng.choice(_LENGTHS))
    elif draw < 0.6:
        message.set("Content-Length", str(actual // 2))
    elif draw < 0.8:
        more = rng.choice([actual + 1, actual + 10**5, 10**8, 10**15, 10**30])
        message.set("Content-Length", str(more))
    else:
        message.headers += [("Content-Length", str(actual)), ("Content-Length", "0")]
    return _unsure(single("length", message))


def truncate(rng, message):
    attempt = single("truncated", message, half_close=True)
    attempt.data = attempt.data[: rng.randrange(1, len(attempt.data))]
    attempt.must_answer = is_whole(attempt.data)
    return attempt


def chunked(rng, message):
    """Send the body in chunks, well-formed or not."""
    message.frames_body = False
    coding = "chunked" if rng.random() < 0.7 else rng.choice(_CODINGS)
    message.headers.append(("Transfer-Encoding", coding))
    if rng.random() < 0.15:
        message.headers.append(("Content-Length", str(len(message.body))))
    cut = rng.randrange(len(message.body) + 1)
    parts = [part for part in (message.body[:cut], message.body[cut:]) if part]
    extension = rng.choice([b"", b"", b";a=b", b";a=" + b"b" * 300])
    sent = [b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts]
    end = rng.choice([b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"])
    well_formed = coding == "chunked"
    if rng.random() < 0.4:
        well_formed = False
        broken = [b"xyz\r\n", b"-1\r\n", b"", b"0\r\n", b"ffffffffffffffffff\r\nab"]
        end = rng.choice(
            [*broken, b"5\r\nab", b"2\nab\n0\n\n", b"2\r\nabcd\r\n0\r\n\r\n"]
        )
    message.body = b"".join(sent) + end
    attempt = single("chunked", message, half_close=not well_formed)
    attempt.must_answer = well_formed
    return attempt


def expect(rng, message):
    value = rng.choice(["100-continue", "100-continue", "200-ok", ""])
    message.set("Expect", value)
    return single("expect", message)


def encoding(rng, message):
    message.set("Content-Encoding", rng.choice(["gzip", "br", "deflate", "gzip, gzip"]))
    if rng.random() < 0.5:
        message.body = gzip.compress(message.body)
    return single("encoding", message)


def pieces(rng, message):
    return single("pieces", message, pieces=rng.choice([2, 5, 20]))


def flip_bytes(rng, message):
    data = bytearray(message.encode())
    head = data.find(b"\r\n\r\n")
    for _ in range(rng.choice([1, 2, 8, 40])):
        end = head if rng.random() < 0.5 else len(data)
        at = rng.randrange(max(1, min(end, len(data))))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at : at + rng.randrange(1, 20)] = b""
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 20))
            case _:
                data[at:at] = data[max(0, at - 30) : at]
        data = data or bytearray(b"\0")
    sent = bytes(data)
    return _unsure(Attempt("bytes", sent, [message]))


def noise(rng, message):
    data = rng.choice(
        [rng.randbytes(200), b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n" * 9]
    )
    data = rng.choice(
        [data, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /health\r\n\r\n"]
    )
    return Attempt("noise", data, [message], must_answer=False, half_close=True)


def _unsure(attempt):
    """Send nothing further, because the service may see a longer request."""
    attempt.half_close = True
    attempt.must_answer = is_whole(attempt.data)
    return attempt


CHANGES = [
    *(method, content_type, version, header, header, query, target, length, truncate),
    *(chunked, expect, encoding, pieces, flip_bytes, flip_bytes, flip_bytes, noise),
]
