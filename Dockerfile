# One image for all services: `docker build -t nbactl .`, then `docker run -e SERVICE=collector …`.
# Works with a read-only root file system (`docker run --read-only --tmpfs /tmp`): everything that is written is in /tmp.
FROM python:3.12-slim AS build

WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md CHANGELOG.md workflows.yaml timeouts.yaml flags.yaml ./
COPY docs docs
COPY nbactl nbactl
RUN PIP_CONSTRAINT=constraints.txt /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check '.[gcp,sentry,serve]'

FROM python:3.12-slim

# A number, so that the platform can see that it is not root.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin nbactl
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    NBACTL_TARGET=gcp \
    NBACTL_STATE_DIR=/tmp/nbactl
WORKDIR /tmp
USER 10001
# Cloud Run sets PORT. exec: the service gets SIGTERM itself, and stops in an orderly way.
CMD ["/bin/sh", "-c", "exec nbactl serve $SERVICE"]
