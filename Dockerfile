# vanpulse: one image for the agent (`run`), the live page (`live`) and the simulator (`simulate`).
# The same Python as in the tests. Wheels only: nothing is compiled, nothing runs a setup script.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/vanpulse
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY agent agent
COPY simulator simulator
COPY dashboards dashboards
RUN /opt/vanpulse/bin/pip install --only-binary=:all: .

FROM python:3.11-slim-bookworm
# Journal and history; a named volume takes over the owner.
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
