"""Questions built around another question: its words are cut out, the rest is planned as it stands."""
