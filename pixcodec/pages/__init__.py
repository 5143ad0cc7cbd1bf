"""What the HTML pages of pixcodec have in common: reports, explanations and the viewer."""
