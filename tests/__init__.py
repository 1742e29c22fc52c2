"""Tests of headrace; a package, so that `tests.servers` can be imported."""
