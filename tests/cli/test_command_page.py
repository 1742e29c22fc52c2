"""What is written from the options of the commands is current."""

import msgspec

from tests.kit.command_page import SCHEMA, written


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
