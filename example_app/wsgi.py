"""The app for a WSGI server: `gunicorn example_app.wsgi:app`.

Set at least `SECRET_KEY`, `DATABASE_URL` (such as `postgresql+psycopg://harbour@db/harbour`),
`STRIPE_SECRET_KEY` and `BILLING_BASE_URL` (such as `https://harbour.example`), and run
`flask --app example_app.wsgi db upgrade` before the first start.

Behind a proxy, set `PROXY_HOPS` to the number of proxies that add to `X-Forwarded-For`, and to no
more: visitors write the rest of that header themselves, and sign-ins are limited by its address.
"""

from example_app import create_app

app = create_app()
