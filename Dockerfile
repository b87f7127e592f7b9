# vanpulse: one image for the agent (`run`), the live page (`live`) and the simulator (`simulate`).
# The same Python version as in the tests. Dependencies are installed as wheels only, so no setup script of theirs runs.
# The first stage has a C compiler and compiles the core (`make compile`). It installs the result as a wheel.
FROM python:3.11-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/compiling && python -m venv /opt/vanpulse
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY core_build core_build
COPY agent agent
COPY simulator simulator
COPY dashboards dashboards
RUN /opt/compiling/bin/pip install --only-binary=:all: '.[compile]' \
 && VANPULSE_COMPILE=1 /opt/compiling/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
 && /opt/vanpulse/bin/pip install --only-binary=:all: "$(echo /wheels/*.whl)[kafka]"

FROM python:3.11-slim-bookworm
# Journal and history. A named volume inherits the owner of this folder.
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/vanpulse
COPY --from=build /opt/vanpulse /opt/vanpulse
COPY deploy/hand_out.py /opt/vanpulse/bin/hand_out
ENV PATH=/opt/vanpulse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
WORKDIR /var/lib/vanpulse
USER 10001:10001
ENTRYPOINT ["vanpulse"]
CMD ["run"]
