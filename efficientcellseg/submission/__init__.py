"""Submissions in the challenge's layout: results, and software that makes them again."""
