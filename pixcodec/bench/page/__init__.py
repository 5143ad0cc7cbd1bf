"""The report of results as one HTML file that needs no other: `writing` fills what is in ``parts``."""
