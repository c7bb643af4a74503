"""HTTP as a server, for all that answers it: the embedded data-availability layer, and a node that is looked at."""
