"""What tests share; nothing in here is a test."""

from pathlib import Path

#: The checkout, or the folder that stands for one.
ROOT = Path(__file__).resolve().parents[2]
