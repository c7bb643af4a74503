"""Looking at a running node: a report of it, why it is not in step, a control socket; HTTP, metrics, a page."""
