"""Extensions: modules with a `setup(client)` that adds sub-clients, loaded and unloaded by their names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from headrace.compat.arya._parent import Parent
from headrace.compat.arya.errors import (
    ExtensionAlreadyLoaded,
    ExtensionEntryPointError,
    ExtensionFailed,
    ExtensionNotFound,
    ExtensionNotLoaded,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping
    from types import ModuleType


def _is_part(module: str, of: str) -> bool:
    return module == of or module.startswith(f"{of}.")


def _resolve(name: str, package: str | None) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError as error:
        raise ExtensionNotFound(name) from error


class Extensible(Parent):
    """The part of a client that loads extensions."""

    logger: logging.Logger

    def _loaded(self) -> dict[str, ModuleType]:
        self._awake()
        found: dict[str, ModuleType] = vars(self).setdefault("_extensions", {})
        return found

    @property
    def extensions(self) -> Mapping[str, ModuleType]:
        """The extensions that are loaded, by name, read-only."""
        return MappingProxyType(self._loaded())

    def load_extension(self, name: str, *, package: str | None = None) -> None:
        """Import a module, and call its `setup(client)`.

        Args:
            name: As it is imported; a leading dot is relative to `package`.
            package: What a relative name starts from.

        Raises:
            headrace.compat.arya.errors.ExtensionNotFound: There is no such module.
            headrace.compat.arya.errors.ExtensionAlreadyLoaded: It is loaded.
            headrace.compat.arya.errors.ExtensionEntryPointError: It has no `setup`.
            headrace.compat.arya.errors.ExtensionFailed: The module, or its `setup`, has raised; nothing of it stays.
        """
        name = _resolve(name, package)
        if name in self._loaded():
            raise ExtensionAlreadyLoaded(name)
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError) as error:  # a package above it is missing, or a module has no spec
            raise ExtensionNotFound(name) from error
        if found is None:
            raise ExtensionNotFound(name)
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise ExtensionFailed(name, error) from error
        setup: Any = getattr(module, "setup", None)
        if not callable(setup):
            sys.modules.pop(name, None)
            raise ExtensionEntryPointError(name)
        try:
            setup(self)
        except Exception as error:
            self._forget(name, module)
            raise ExtensionFailed(name, error) from error
        self._loaded()[name] = module

    def unload_extension(self, name: str, *, package: str | None = None) -> None:
        """Remove the sub-clients that an extension has added, and call its `teardown(client)` if it has one.

        Args:
            name: As it was loaded.
            package: What a relative name starts from.

        Raises:
            headrace.compat.arya.errors.ExtensionNotLoaded: It is not loaded.
        """
        name = _resolve(name, package)
        module = self._loaded().pop(name, None)
        if module is None:
            raise ExtensionNotLoaded(name)
        self._forget(name, module)

    def reload_extension(self, name: str, *, package: str | None = None) -> None:
        """Unload an extension and load it again from its source; where that fails, it is as it was before.

        Args:
            name: As it was loaded.
            package: What a relative name starts from.

        Raises:
            headrace.compat.arya.errors.ExtensionNotLoaded: It is not loaded.
            headrace.compat.arya.errors.ExtensionError: It cannot be loaded again.
        """
        name = _resolve(name, package)
        module = self._loaded().get(name)
        if module is None:
            raise ExtensionNotLoaded(name)
        before = {key: value for key, value in sys.modules.items() if _is_part(key, name)}
        self.unload_extension(name)
        importlib.invalidate_caches()
        try:
            self.load_extension(name)
        except Exception:
            sys.modules.update(before)
            module.setup(self)
            self._loaded()[name] = module
            raise

    def _forget(self, name: str, module: ModuleType) -> None:
        """Take away whatever a module has brought; the next time it is imported, its source is read anew."""
        for child, subclient in list(self.subclients.items()):
            if _is_part(type(subclient).__module__, module.__name__):
                self.remove_subclient(child)
        teardown = getattr(module, "teardown", None)
        if callable(teardown):
            try:
                teardown(self)
            except Exception:
                self.logger.warning("teardown() of the extension %s has failed", name, exc_info=True)
        for key in [key for key in sys.modules if _is_part(key, module.__name__)]:
            del sys.modules[key]
