"""The HTTP server: an ASGI shell around the service (extra [serve])."""
