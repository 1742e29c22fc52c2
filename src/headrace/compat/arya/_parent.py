"""Whatever has sub-clients: the client itself, and each of them."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.compat.arya.errors import SubClientAlreadyLoaded, SubClientError, SubClientParentSet
from headrace.compat.arya.utils import FrameworkEncoder
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Parent:
    """The part of a client or sub-client that holds sub-clients, each an attribute by its name."""

    def _awake(self) -> None:
        """Be set up, where that was not needed yet: it may bring sub-clients."""

    def _children(self) -> dict[str, Child]:
        self._awake()
        found: dict[str, Child] = vars(self).setdefault("_subclients", {})
        return found

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            child = self._children().get(name)
            if child is not None:
                return child
        message = f"{type(self).__name__!r} object has no attribute {name!r}, and no sub-client of that name"
        raise AttributeError(message)

    @property
    def subclients(self) -> Mapping[str, Child]:
        """The sub-clients by name, read-only."""
        return MappingProxyType(self._children())

    def add_subclient(self, subclient: Child) -> None:
        """Make a sub-client a child of this one.

        Args:
            subclient: One that has no parent.

        Raises:
            headrace.errors.ValidationError: It is no sub-client.
            headrace.compat.arya.errors.SubClientError: It is this one, or one above it.
            headrace.compat.arya.errors.SubClientAlreadyLoaded: There is one of its name.
            headrace.compat.arya.errors.SubClientParentSet: It has a parent.
        """
        if not isinstance(subclient, Child):
            got = f"the class {subclient.__name__}" if isinstance(subclient, type) else type(subclient).__name__
            raise ValidationError(f"subclient: got {got}, takes an instance of a SubClient")
        above: Any = self
        while isinstance(above, Child):
            if above is subclient:
                raise SubClientError(f"{subclient.name!r} cannot be below itself", name=subclient.name)
            above = above.parent
        if subclient.name in self._children():
            raise SubClientAlreadyLoaded(subclient.name)
        if subclient.parent is not None:
            raise SubClientParentSet(subclient.name)
        subclient._parent = self  # noqa: SLF001 - one of ours
        self._children()[subclient.name] = subclient
        subclient.on_loaded()

    def remove_subclient(self, name: str) -> Child | None:
        """Let go of a sub-client, and it of those below it.

        Args:
            name: Its name.

        Returns:
            It, or `None` where there is none of that name.
        """
        child = self._children().pop(name, None)
        if child is not None:
            child._parent = None  # noqa: SLF001 - one of ours
            child._remove_all()  # noqa: SLF001 - the same
            child.on_unloaded()
        return child

    def _remove_all(self) -> None:
        for name in list(self._children()):
            self.remove_subclient(name)

    def _info(self) -> dict[str, Any]:
        """Tell what `tree()` says of it."""
        raise NotImplementedError

    def _branch_of_tree(self) -> dict[str, Any]:
        return {
            "__info__": self._info(),
            "__endpoints__": getattr(type(self), "__endpoints__", {}),
            "__subclients__": {name: child._branch_of_tree() for name, child in self._children().items()},  # noqa: SLF001 - one of ours
        }

    def tree(self, serialized: bool = False, indent: int | None = None) -> dict[str, Any] | str:  # noqa: FBT001, FBT002 - the older signature
        """List the endpoints of this one and of all below it, as `apiclient` and `endpoint` have noted them.

        Args:
            serialized: Whether to return JSON text.
            indent: Spaces a level of that text; `None` is one line.
        """
        tree = self._trunk()
        return json.dumps(tree, cls=FrameworkEncoder, indent=indent) if serialized else tree

    def _trunk(self) -> dict[str, Any]:
        return self._branch_of_tree()


class Child(Parent):
    """What can be below a client or below another child, under a name."""

    _name: ClassVar[str] = "SubClient"
    _parent: Any = None

    @property
    def name(self) -> str:
        """The name that it has at its parent."""
        return self._name

    @property
    def parent(self) -> Any:
        """The client or sub-client that it was added to; `None` before, and after it was removed."""
        return self._parent

    def on_loaded(self) -> None:
        """Do what has to be done once there is a parent; nothing by default."""

    def on_unloaded(self) -> None:
        """Do what has to be done once the parent is gone; nothing by default."""
