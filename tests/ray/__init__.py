"""Bulks and Datasets on a Ray that runs on this machine."""
