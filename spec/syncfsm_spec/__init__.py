"""The specification that runs: what is promised, and the worlds in which it is proved. Needs the extra ``check``."""
