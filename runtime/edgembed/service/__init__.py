"""The service behind every way in over a wire: no I/O, no framework.

    model = Model.load(bundle, dtype, Settings())          edgembed.service.model, .settings
    Service(model).handle("POST", "/embed", headers, body)       edgembed.service.service

Needs the extra [serve]: msgspec for the types and orjson for numbers. Nothing is imported here, so
that `edgembed serve --help` can show the settings' defaults quickly and without the extra.
"""
