"""Many calls: what comes of each, what a run reports, and the journal that lets it go on."""

from headrace.bulk._letters import DeadLetter, Rejected
from headrace.bulk.bulk import Bulk
from headrace.bulk.journal import Journal
from headrace.bulk.outcomes import Err, Meta, Ok, Outcome
from headrace.bulk.report import Report

__all__ = ["Bulk", "DeadLetter", "Err", "Journal", "Meta", "Ok", "Outcome", "Rejected", "Report"]
