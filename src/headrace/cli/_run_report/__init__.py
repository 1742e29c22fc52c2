"""The command `headrace report`: a journal says how its runs went, in the terminal or as a page."""
