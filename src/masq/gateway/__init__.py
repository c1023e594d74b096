"""The window: a local HTTP server by which a browser, a program or Prometheus sees a Node, and tells it what to do."""
