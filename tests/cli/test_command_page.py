"""What is written from the options of the commands is current."""

import re
import tomllib

import msgspec

from headrace.cli._fetch.job import made
from tests.kit import session
from tests.kit.command_page import PAGE, SCHEMA, written


def test_the_generated_files_are_current() -> None:
    """The schema and the options in the docs are those of the code: python -m tests.kit.command_page writes them."""
    for path, text in written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is not current"


def test_the_schema_knows_every_option() -> None:
    """It is that of a table of jobs, closed, with a sentence for each key."""
    schema = msgspec.json.decode(SCHEMA.read_bytes())
    job = schema["additionalProperties"]
    assert job["additionalProperties"] is False
    assert all(each["description"].endswith(".") for each in job["properties"].values())
    assert {"source", "in-flight", "max-failures", "bearer-env"} <= job["properties"].keys()


def test_the_jobs_in_the_docs_are_jobs() -> None:
    """Every job file that the page shows can be run as it stands."""
    shown = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)]
    assert shown
    for table in [table for tables in shown for table in tables.values()]:
        assert made(table).source


def test_the_session_is_current() -> None:
    """What README shows of the command is what it does: python -m tests.kit.session records it."""
    shown = session.block(session.README.read_text(encoding="utf-8"))
    assert session.shape(shown) == session.shape(session.recorded())
