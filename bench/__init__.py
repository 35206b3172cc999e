"""The figures we quote, one command each: `python -m bench` lists them."""
