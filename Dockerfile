# One image for every process; docker-compose.yml says which one a container runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY requirements.txt requirements-dev.txt ./
# The generators come from the development pins; the environment of the image has the runtime ones only.
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt \
 && python -m venv /generate \
 && grep -E '^(grpcio-tools|mypy-protobuf)==' requirements-dev.txt > generators.txt \
 && /generate/bin/pip install --no-cache-dir -r generators.txt
COPY protos protos
RUN /generate/bin/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. $(find protos -name '*.proto')

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home holdfast
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOLDFAST_LOG_FORMAT=json HOLDFAST_BIND_HOST=0.0.0.0
COPY --from=build /venv /venv
COPY --from=build /app/protos protos
COPY servicekit servicekit
COPY credit_service credit_service
COPY chat_service chat_service
COPY insight_worker insight_worker
COPY gateway gateway
USER holdfast
# Exec form: the process is PID 1 and gets SIGTERM itself.
CMD ["python", "-m", "gateway", "serve"]
