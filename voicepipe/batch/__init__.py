"""Recordings by the folder."""
