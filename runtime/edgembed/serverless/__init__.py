"""The service where there is no server: a handler that is called with an event.

events     what API Gateway, a Function URL or a plain invoke send, and how each is answered
aws        AWS Lambda's handler; importing it loads the bundle

Thin shells on edgembed.service, which knows the routes. `edgembed pack --target lambda` packs them.
"""
