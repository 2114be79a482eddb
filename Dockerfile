# syntax=docker/dockerfile:1
# One image for every part: `worker` (the default), `topics create`, `check`, `stats`, ...

FROM python:3.11-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The lock pins what builds the core as well: Cython, setuptools, wheel. First, so that editing a source file does not fetch it all again.
COPY requirements.lock requirements-runtime.lock ./
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-runtime.lock
COPY pyproject.toml setup.py README.md LICENSE NOTICE ./
COPY config config
COPY streams streams
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /venv/bin/pip install --no-cache-dir --no-deps /wheel/*.whl \
 && /venv/bin/python -c "from streams.core.user import COMPILED; assert COMPILED, 'the image must hold the compiled core'"

FROM python:3.11-slim
LABEL org.opencontainers.image.title="streams" \
      org.opencontainers.image.description="Live engagement scores and churn-risk alerts from event streams" \
      org.opencontainers.image.licenses="Apache-2.0"
# A user without a home, a shell or rights: the worker writes to Kafka and Redis only.
RUN useradd --system --no-create-home --shell /usr/sbin/nologin --uid 10001 streams
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
# SIGTERM is the graceful stop: the step under way is published, saved and acknowledged first.
STOPSIGNAL SIGTERM
ENTRYPOINT ["streams"]
CMD ["worker"]
