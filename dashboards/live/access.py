"""Access control: everybody on this machine has access, or everybody who knows the password.

Without a password, only requests with a host name of this machine are answered. This stops web pages of other sites
whose name resolves to 127.0.0.1. With a password, everything except the sign-in page and `/healthz` requires it.
"""

import asyncio
import hashlib
import hmac
import html
import ipaddress
import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "vanpulse_live"
SESSION_S: Final = 12 * 3600
WRONG_PASSWORD_PAUSE_S: Final = 1.0
FORM_BYTES: Final = 4096
ATTEMPTS_AT_ONCE: Final = 4


def is_loopback(host: str) -> bool:
    """Whether `host` can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Sessions:
    """Issues signed tickets that expire. No ticket is stored, and a restart invalidates all of them."""

    def __init__(self, password: str) -> None:
        self._password = _digest(password)
        self._key = secrets.token_bytes(32)

    def knows(self, password: str) -> bool:
        """Whether this is the password, compared in constant time."""
        return hmac.compare_digest(_digest(password), self._password)

    def issue(self) -> str:
        """A ticket for the cookie."""
        expires = str(int(time.time()) + SESSION_S)
        return f"{expires}.{self._sign(expires)}"

    def valid(self, ticket: str) -> bool:
        """Whether the ticket was issued here and has not expired."""
        expires, _, signature = ticket.partition(".")
        ours = hmac.compare_digest(signature.encode(), self._sign(expires).encode())
        return ours and expires.isdigit() and int(expires) > time.time()

    def _sign(self, expires: str) -> str:
        return hmac.new(self._key, expires.encode(), hashlib.sha256).hexdigest()


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()


class Access:
    """Checks each request to the application, including its websocket."""

    def __init__(self, app: ASGIApp, *, password: str | None, tiles_url: str | None = None) -> None:
        self._app = app
        self._sessions = Sessions(password) if password else None
        self._policy = content_policy(tiles_url)
        self._attempts = asyncio.Semaphore(ATTEMPTS_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the application, or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._refusal(headers)
        if problem:
            await _refuse(scope, receive, send, problem)
        elif scope["type"] == "http" and scope["path"] == "/healthz":
            await PlainTextResponse("ok\n")(scope, receive, send)
        elif self._sessions is None or self._signed_in(headers):
            await self._app(scope, receive, self._with_policy(send))
        elif scope["type"] == "http" and scope["path"] == "/login":
            await self._login(self._sessions, scope, receive, self._with_policy(send))
        elif scope["type"] == "http" and "text/html" in headers.get("accept", ""):
            target = f"/login?next={quote(scope['path'])}"
            await RedirectResponse(target, status_code=303)(scope, receive, send)
        else:
            await _refuse(scope, receive, send, "sign in first", status=401)

    def _refusal(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._sessions is None and not is_loopback(_host_name(host)):
            return "this page answers only to 127.0.0.1 and localhost; set live.password to open it to others"
        origin = headers.get("origin")
        if origin and origin != "null" and urlsplit(origin).netloc != host:
            return "requests from other sites are refused"
        return None

    def _signed_in(self, headers: Headers) -> bool:
        sessions = self._sessions
        assert sessions is not None  # noqa: S101  # the caller's condition
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and sessions.knows(token.strip()):
            return True
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and sessions.valid(morsel.value)

    async def _login(self, sessions: Sessions, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qs(scope.get("query_string", b"").decode("ascii", "replace"))
        target = _local((query.get("next") or ["/"])[0])
        if scope["method"] != "POST":
            await HTMLResponse(login_page(target))(scope, receive, send)
            return
        password = (parse_qs(await _body(receive)).get("password") or [""])[0]
        async with self._attempts:  # limits password guessing in parallel
            if not sessions.knows(password):
                await asyncio.sleep(WRONG_PASSWORD_PAUSE_S)
                await HTMLResponse(login_page(target, wrong=True), status_code=401)(scope, receive, send)
                return
        response = RedirectResponse(target, status_code=303)
        response.set_cookie(
            COOKIE,
            sessions.issue(),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        await response(scope, receive, send)

    def _with_policy(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", self._policy.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        return sending


def content_policy(tiles_url: str | None) -> str:
    """The content security policy: the browser may load from here, and map tiles from the configured server."""
    tiles = ""
    if tiles_url:
        parts = urlsplit(tiles_url)
        tiles = f" {parts.scheme}://{parts.netloc.replace('{s}', '*')}"
    return (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data: blob:{tiles}; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'self'"
    )


def login_page(target: str, *, wrong: bool = False) -> str:
    """The sign-in page, without any external resource."""
    problem = '<p role="alert">Wrong password.</p>' if wrong else ""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>vanpulse: sign in</title><style>
:root{{color-scheme:light dark}}body{{margin:0;min-height:100vh;display:grid;place-items:center;
font:15px/1.5 system-ui,sans-serif;background:light-dark(#f3f5f7,#0d1116);color:light-dark(#131922,#e9edf2)}}
form{{width:min(320px,86vw);padding:28px;border-radius:12px;background:light-dark(#fff,#161b22);
border:1px solid light-dark(#e0e4ea,#29313b)}}h1{{font-size:20px;margin:0 0 18px;font-weight:600}}
label{{display:block;font-size:13px;margin-bottom:5px}}input,button{{box-sizing:border-box;width:100%;font:inherit;
padding:9px 12px;border-radius:8px;border:1px solid light-dark(#b9c2cd,#3d4753);background:transparent;color:inherit}}
button{{margin-top:14px;background:#0067a8;border-color:#0067a8;color:#fff;font-weight:500;cursor:pointer}}
p{{color:light-dark(#c62f1d,#ff7161);margin:10px 0 0}}</style>
<form method="post" action="/login?next={html.escape(quote(target))}"><h1>vanpulse</h1>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" autofocus required>
<button>Sign in</button>{problem}</form></html>"""


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _local(target: str) -> str:
    """The target if it is a path of this site, otherwise `/`."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"


async def _body(receive: Receive) -> str:
    body: bytes = b""
    while len(body) <= FORM_BYTES:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body.decode("utf-8", "replace")
    return ""


async def _refuse(scope: Scope, receive: Receive, send: Send, text: str, *, status: int = 403) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": text})
    else:
        await PlainTextResponse(f"{text}\n", status_code=status)(scope, receive, send)
