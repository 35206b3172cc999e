"""`python -m collector doctor`: looks at a Kong and at what has arrived, and says what is missing or risky.

- `findings`: what is said, and how bad it is
- `looking`: asks Admin APIs; what they said as records
- `kong_rules`: what their configuration means for what we can see; pure
- `arrival_rules`: what has arrived, and what is missing in it; pure
- `command`: puts them together and prints
"""
