"""What every client of the older framework is, and the sub-clients below it."""

from __future__ import annotations

import abc
import logging
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from yarl import URL

from headrace import _redact
from headrace._core.call import Undecoded
from headrace.compat.arya._extensions import Extensible
from headrace.compat.arya._parent import Child
from headrace.compat.arya._verbs import Verbs, as_parts
from headrace.compat.arya.errors import SubClientNoParent
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.compat.arya._raw import RawResponse
    from headrace.compat.arya.constants import ClientBranch
    from headrace.config import ClientConfig

__all__ = ["ClientInternal", "SubClient"]

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://").match


class ClientInternal(Verbs, Extensible):
    """What the clients of the older framework have beside those of headrace; it stands before one among the bases.

    The subclass parameter `extensions` names those that every instance loads: names, or pairs of a relative name and
    the package that it starts from.
    """

    branch: ClassVar[ClientBranch]
    """Whether the client is synchronous or asynchronous."""
    logger = logging.getLogger("headrace.AsyncClient")
    """Where the client logs, and a subclass may."""
    _raw: ClassVar[type[RawResponse]]
    _own_extensions: ClassVar[Sequence[Any]] = ()

    def __init_subclass__(cls, *, extensions: Sequence[Any] | None = None, **parameters: Any) -> None:
        """Take the subclass parameters; a subclass that names no `extensions` has those of its parent."""
        super().__init_subclass__(**parameters)
        if isinstance(extensions, str):
            raise ValidationError(f"extensions: got the text {extensions!r}, takes a list of names")
        if extensions is not None:
            cls._own_extensions = tuple(extensions)

    def _assemble(self, config: ClientConfig) -> None:
        """Make the parts of a client, then load its extensions."""
        self._headrace()._assemble(config)  # noqa: SLF001 - of this very client
        for extension in self._own_extensions:
            name, package = (extension, None) if isinstance(extension, str) else extension
            self.load_extension(name, package=package)

    def _headrace(self) -> Any:
        """Give the methods of the client of headrace that this one is."""
        return super(Verbs, self)

    def _awake(self) -> None:
        if "_config" not in vars(self):
            _ = self._config  # which sets the client up, where its own `__init__` has not

    def _ask(self, verb: str, arguments: tuple[Any, ...], path: Any, options: dict[str, Any]) -> Any:
        if verb == "request":
            return self._request(arguments[0], path, options)
        if verb not in {"upload_file", "stream_file"}:
            return self.request(verb.upper(), path, **options)  # which a subclass may have written anew
        if options.pop("raw", False):
            options["response_format"] = self._raw
        return getattr(self._headrace(), verb)(*arguments, path, **options)

    def _request(self, method: str, path: Any, options: dict[str, Any]) -> Any:
        ours = self._headrace()
        raw = options.pop("raw", False) or options.get("response_format") is self._raw
        files = options.pop("files", None)
        if files is not None:
            if raw:
                options["response_format"] = self._raw
            options["fields"] = options.pop("data", None)
            return ours.upload_file(as_parts(files), path, method=method, **options)
        if not raw:
            return ours.request(method, path, **options)
        options.pop("response_format", None)
        if self.closed:
            return ours.request(method, path)
        return self._whole(method, ours.request(method, path, response_format=Undecoded.STREAMED, **options))

    @abc.abstractmethod
    def _whole(self, method: str, asked: Any) -> Any:
        """Read the whole of a success that is streamed."""

    def _tear_down(self) -> None:
        """Unload the extensions and remove the sub-clients, when the client is closed."""
        for name in list(self.extensions):
            self.unload_extension(name)
        self._remove_all()

    @property
    def rate_limited(self) -> bool:
        """What `is_rate_limited` is."""
        limited: bool = self.is_rate_limited
        return limited

    def _info(self) -> dict[str, Any]:
        return {"uri": self.uri, "uri_root": self.uri_root}

    def _trunk(self) -> dict[str, Any]:
        return {"root": self._branch_of_tree()}


class SubClient(Verbs, Child):
    """A group of requests below a client, or below another sub-client, with a part of the path of its own.

    ``class Users(SubClient, name="users", relative_path="/users")``; `client.add_subclient(Users())` makes it
    `client.users`. Each verb does what the client's does: with an asynchronous client it returns a coroutine. An
    `__init__` is the subclass's own.

    The name is that of the class by default; the relative path is inherited, and empty by default.
    """

    _path: ClassVar[str] = ""

    def __init_subclass__(cls, *, name: str | None = None, relative_path: str | URL | None = None, **more: Any) -> None:
        """Take the subclass parameters."""
        super().__init_subclass__(**more)
        cls._name = cls.__name__ if name is None else name
        if relative_path is not None:
            path = str(relative_path)
            if _ABSOLUTE(path):
                takes = "a path below the client's uri, such as '/users'"
                raise ValidationError(f"relative_path: got {_redact.url(URL(path))!r}, takes {takes}")
            cls._path = path

    @property
    def qualified_name(self) -> str:
        """The names from below the client to this one, such as ``users.posts``."""
        above = self._parent
        return f"{above.qualified_name}.{self._name}" if isinstance(above, SubClient) else self._name

    @property
    def relative_path(self) -> URL:
        """The path below the parent."""
        return URL(self._path)

    @property
    def full_relative_path(self) -> URL:
        """The path below the client's `uri`."""
        above = self._parent
        return URL(_below(str(above.full_relative_path), self._path) if isinstance(above, SubClient) else self._path)

    @property
    def qualified_path(self) -> URL | None:
        """The whole URL; `None` as long as no client is above."""
        above = self._parent
        base = above.qualified_path if isinstance(above, SubClient) else getattr(above, "uri", None)
        return None if base is None else base.with_path(_below(base.raw_path, self._path), encoded="%" in self._path)

    @property
    def root(self) -> Any:
        """The client above, or the uppermost sub-client where there is none."""
        above = self._parent
        if above is None:
            return self
        return above.root if isinstance(above, SubClient) else above

    def _ask(self, verb: str, arguments: tuple[Any, ...], path: Any, options: dict[str, Any]) -> Any:
        if self._parent is None:
            raise SubClientNoParent(self._name)
        text = "" if path is None else str(path)
        below = text if _ABSOLUTE(text) else _below(self._path, text)
        return getattr(self._parent, verb)(*arguments, below, **options)

    def _info(self) -> dict[str, Any]:
        return {
            "qualified_name": self.qualified_name,
            "qualified_path": str(self.qualified_path),
            "full_relative_path": str(self.full_relative_path),
            "relative_path": str(self.relative_path),
        }


def _below(base: str, path: str) -> str:
    """Join two paths with one slash; a query alone goes right behind the first."""
    if not path or not base:
        return base or path
    return base + path if path[0] in "?#" else f"{base.rstrip('/')}/{path.lstrip('/')}"
