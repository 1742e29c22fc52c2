"""What came of a run."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What came of a run."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    crossed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)
    """Requests that were written where something lay in the socket before."""
    refused: int = 0
    """How often a connection was not written on for that reason."""
    said: Counter[str] = field(default_factory=Counter)
    """What the server said unasked."""
    restarts: int = 0
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)
    """Resident bytes, taken at even distances."""

    @property
    def growth(self) -> float:
        """By which part of the second third's mean the last third's is larger."""
        third = len(self.memory) // 3
        if not third:  # a run that was broken off
            return 0.0
        second, last = self.memory[third : 2 * third], self.memory[-third:]
        return (sum(last) / len(last)) / (sum(second) / len(second)) - 1
