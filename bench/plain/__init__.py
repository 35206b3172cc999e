"""What one would write with Streamlit alone: the other side of `python -m bench reruns`."""
