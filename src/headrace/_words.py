"""Words of other HTTP libraries, and words misspelled: what a keyword that nobody knows was meant to be.

Everything here is a table and a search in it; nothing is imported, and nothing runs until a word is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

#: How alike two words have to be (`difflib`) for one to be taken for the other.
_ALIKE: Final = 0.6

#: What httpx, requests and aiohttp (and urllib3) call what a call takes here, or has in another way.
OF_CALLS: Final = {
    "params": "parameters",
    "query": "parameters",
    "query_params": "parameters",
    "json": "body",
    "json_data": "body",
    "payload": "body, which is sent as JSON, or data, which is sent as it is",
    "content": "data",
    "form": "data with a mapping",
    "fields": "data with a mapping, or upload_file(fields=…)",
    "header": "headers",
    "cookie": "cookies",
    "url": "path",
    "uri": "path",
    "endpoint": "path",
    "model": "response_format",
    "response_model": "response_format",
    "response_type": "response_format",
    "response_class": "response_format",
    "output": "response_format",
    "format": "response_format",
    "timeouts": "timeout",
    "timeout_seconds": "timeout",
    "read_timeout": "timeout=Timeout(read=…)",
    "connect_timeout": "timeout=Timeout(connect=…)",
    "errors": "error_responses",
    "error_models": "error_responses",
}
#: The same, where another call or nothing at all does it; the sentence stands as it is.
_OF_CALLS_OTHERWISE: Final = {
    "files": "upload_file(file, path) sends files as a form, stream_file(file, path) the bytes of one",
    "file": "upload_file(file, path) sends files as a form, stream_file(file, path) the bytes of one",
    "stream": "`async with client.stream(method, path) as response:` reads an answer while it arrives",
    "raise_for_status": "it always does so here: a status that is no success raises its errors.HTTPError",
    "allow_redirects": "redirects are always followed, 10 at most; one that is not raises its errors.HTTPRedirect",
    "follow_redirects": "redirects are always followed, 10 at most; one that is not raises its errors.HTTPRedirect",
    "max_redirects": "redirects are always followed, 10 at most",
    "read_until_eof": "a body is read as far as RFC 9112 says",
    "compress": "give data that is compressed, and a Content-Encoding in headers",
    "chunked": "an iterable as data goes chunked by itself",
    "expect100": "upload_file and stream_file take expect=True",
    "auto_decompress": "bodies are always decompressed; stream(…) and aiter_raw() give them as they come",
    "response_hook": "hooks are a setting of the client",
    "trace_request_ctx": "give the client transport=AiohttpTransport(session), with the trace configs of that session",
    "extensions": "there is no such thing here",
}
#: What other clients call a setting of the client here.
OF_CLIENTS: Final = {
    "base_url": "uri",
    "base_uri": "uri",
    "url": "uri",
    "host": "uri",
    "params": "parameters",
    "query": "parameters",
    "header": "headers",
    "cookie_jar": "cookies (what servers set is kept by itself)",
    "cookiejar": "cookies (what servers set is kept by itself)",
    "verify": "tls",
    "ssl": "tls",
    "ssl_context": "tls",
    "verify_ssl": "tls",
    "cert": "tls with an ssl.SSLContext whose load_cert_chain() was called",
    "ca_certs": 'tls=ssl.create_default_context(cafile="…")',
    "cafile": 'tls=ssl.create_default_context(cafile="…")',
    "proxies": "proxy, one URL",
    "mounts": "transport",
    "limits": "pool=PoolLimits(…)",
    "connector": "pool=PoolLimits(…), proxy and tls, or transport=AiohttpTransport(session)",
    "max_connections": "pool=PoolLimits(max_connections=…)",
    "limit": "pool=PoolLimits(max_connections=…), or rate_limit for requests a second",
    "limit_per_host": "pool=PoolLimits(max_per_origin=…)",
    "max_keepalive_connections": "pool=PoolLimits(max_connections=…)",
    "keepalive_expiry": "pool=PoolLimits(keepalive=…)",
    "keepalive_timeout": "pool=PoolLimits(keepalive=…)",
    "session": "transport=AiohttpTransport(session)",
    "client": "transport",
    "retries": "retry=Retry(attempts=…)",
    "max_retries": "retry=Retry(attempts=…)",
    "retry_policy": "retry",
    "backoff_factor": "retry=Retry(backoff=…)",
    "token": "bearer_token",
    "access_token": "bearer_token",
    "bearer": "bearer_token",
    "api_key": "auth=APIKey(…), or __post_init__ of a subclass",
    "username": "auth=BasicAuth(user, password)",
    "password": "auth=BasicAuth(user, password)",
    "conn_timeout": "timeout=Timeout(connect=…)",
    "connect_timeout": "timeout=Timeout(connect=…)",
    "read_timeout": "timeout=Timeout(read=…)",
    "user_agent": 'headers={"User-Agent": …}',
    "calls": "rate_limit",
    "max_rate": "rate_limit",
    "requests_per_second": "rate_limit",
    "rate": "rate_limit",
    "period": "rate_limit_interval",
    "time_period": "rate_limit_interval",
    "interval": "rate_limit_interval",
    "breaker": "circuit_breaker",
    "errors": "error_responses",
    "max_body_size": "max_response_bytes",
}
_OF_CLIENTS_OTHERWISE: Final = {
    "http2": "there is HTTP/1.1 only, over as many connections as PoolLimits allow",
    "http1": "there is HTTP/1.1 only",
    "trust_env": "nothing is read from the environment; give proxy= or headers= what it says",
    "follow_redirects": "redirects are always followed, 10 at most",
    "max_redirects": "redirects are always followed, 10 at most",
    "raise_for_status": "it always does so here: a status that is no success raises its errors.HTTPError",
    "event_hooks": "there are none yet; the logger headrace.AsyncClient tells of every request",
    "trace_configs": "give transport=AiohttpTransport(session), with the trace configs of that session",
    "middlewares": "give transport=AiohttpTransport(session), with the middlewares of that session",
    "json_serialize": "bodies are written by msgspec",
    "loop": "a client belongs to the loop of its first request",
    "default_encoding": "text is decoded by the charset of its Content-Type, else as UTF-8",
    "auto_decompress": "bodies are always decompressed; stream(…) and aiter_raw() give them as they come",
}
#: What answers have elsewhere, and how it is had of a `StreamedResponse`.
OF_ANSWERS: Final = {
    "status_code": "status",
    "json": "await response.aread(), and decode that; or client.get(…), which gives the decoded JSON itself",
    "text": "(await response.aread()).decode()",
    "content": "await response.aread(), or aiter_bytes()",
    "read": "await response.aread()",
    "body": "await response.aread()",
    "iter_content": "aiter_bytes(chunk_size)",
    "iter_bytes": "aiter_bytes()",
    "iter_chunked": "aiter_bytes(chunk_size)",
    "iter_any": "aiter_bytes()",
    "iter_lines": "aiter_lines()",
    "iter_text": "aiter_lines()",
    "aiter_text": "aiter_lines()",
    "iter_raw": "aiter_raw()",
    "raise_for_status": "nothing: a status that is no success has raised already",
    "ok": "nothing: a status that is no success has raised already",
    "close": "aclose(), which the `async with` block does",
    "release": "aclose(), which the `async with` block does",
    "content_type": 'headers["Content-Type"]',
}


def of_call(verb: str, word: str, known: Collection[str], settings: Collection[str] = ()) -> str:
    """Make the text of the `TypeError` for a keyword that a verb does not know.

    Args:
        verb: The verb.
        word: The keyword.
        known: The keywords that it takes.
        settings: Those that the client takes.
    """
    begin = f"{verb}() got an unexpected keyword argument {word!r}"
    meant = OF_CALLS.get(word)
    if meant is not None:
        return f"{begin}; here it is {meant}"
    if word in _OF_CALLS_OTHERWISE:
        return f"{begin}; {_OF_CALLS_OTHERWISE[word]}"
    meant = word if word in settings else OF_CLIENTS.get(word)
    if meant is not None:
        return f"{begin}; it is a setting of the client, not of a call: {meant}"
    if word in _OF_CLIENTS_OTHERWISE:
        return f"{begin}; {_OF_CLIENTS_OTHERWISE[word]}"
    return f"{begin}{_alike(word, known)}"


def of_client(begin: str, word: str, settings: Collection[str]) -> str:
    """Make the text of the `TypeError` for a keyword that a client does not know.

    Args:
        begin: What is wrong, the beginning of the sentence.
        word: The keyword.
        settings: The keywords that it takes.
    """
    meant = OF_CLIENTS.get(word)
    if meant is not None:
        return f"{begin}; here it is {meant}"
    if word in _OF_CLIENTS_OTHERWISE:
        return f"{begin}; {_OF_CLIENTS_OTHERWISE[word]}"
    return f"{begin}{_alike(word, settings)}"


def of_uri(keywords: Collection[str]) -> str:
    """Say which of the keywords of a client without a `uri` was meant to be one, as the end of a sentence."""
    meant = next((word for word in keywords if OF_CLIENTS.get(word) == "uri"), None)
    return "" if meant is None else f"; {meant!r} is called uri here"


def of_answer(word: str) -> str:
    """Make the text of the `AttributeError` for what a streamed answer does not have."""
    meant = OF_ANSWERS.get(word)
    begin = f"a StreamedResponse has no {word!r}"
    return begin if meant is None else f"{begin}; here it is {meant}"


def _alike(word: str, known: Collection[str]) -> str:
    """Find the known word that one is most like, as the end of a sentence; else tell all of them."""
    import difflib  # few mistype, and everybody would wait for its import

    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=_ALIKE)
    return f"; did you mean {found[0]!r}?" if found else f"; takes {', '.join(sorted(known))}"
