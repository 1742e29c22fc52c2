"""Writes the page: `python -m tests.messages`."""

import asyncio
import warnings

from tests.messages.page import PAGE, page

warnings.simplefilter("ignore")
PAGE.write_text(asyncio.run(page()), encoding="utf-8")
