"""Refuses a request that is too large, before it is read into memory."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, final

MAX_REQUEST_BYTES = 15_000_000
"""A picture file of the largest size in base64, and some words."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@final
class LimitedRequests:
    """ASGI middleware: answers 413 where the body is announced to be too large, or not at all."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_too_large(dict(scope["headers"])):
            await send({"type": "http.response.start", "status": 413, "headers": []})
            await send({"type": "http.response.body", "body": b"the request is too large\n"})
            return
        await self._app(scope, receive, send)


def _is_too_large(headers: dict[bytes, bytes]) -> bool:
    length = headers.get(b"content-length", b"0")
    announced = b"transfer-encoding" not in headers and length.isdigit()
    return not announced or int(length) > MAX_REQUEST_BYTES
