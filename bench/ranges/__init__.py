"""Recorded clusters, and what they would have looked like in another place: for `python -m bench variations`.

- `trace`: a recording in memory, labelled; written out again as files that `collector replay` reads
- `limiter`: Kong's limiters as they count, so that other schedules and limits have true answers
- `families`, `harmless`: attacks, and actors that nobody wants to hear of, drawn at random
- `changed`: one recording into another
- `scenario_table`: incidents against labels
"""
